/** Parses JSON from the network; undefined if it is invalid, or not a text. */
export function parseWireJson(text: unknown): unknown {
  try {
    return typeof text === 'string' ? JSON.parse(text) : undefined
  } catch {
    return undefined
  }
}
