/** 32-bit FNV-1a (Fowler, Noll, Vo) over UTF-16 units, with a final multiply-xor so that the xor of many hashes is uniform. */
export function fnv1a(text: string, seed: number): number {
  let hash = seed
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return hash ^ (hash >>> 13)
}

/** The seed of FNV-1a, and another one for the second half of 64 bits. */
export const FNV_SEEDS = [0x811c9dc5, 0x01000193] as const
