import { fingerprint } from './fingerprint.ts'

/** The request to trust a key, or why there is none, as a sentence for a person. */
type TrustDecision = { request: { type: 'trust'; user: string; key: string } } | { reason: string }

/**
 * Decides about `/trust NAME WORDS`: the words must be those of the user's new key, so that the key that was compared is
 * the key that is trusted, even if another one has arrived in the meantime.
 * @param changedKeys the new key of each user whose key has changed
 */
export function decideTrust(args: string, changedKeys: ReadonlyMap<string, string>): TrustDecision {
  // Names may contain spaces: take the longest one.
  const [user = args] = [...changedKeys.keys()]
    .filter(name => args === name || args.startsWith(`${name} `))
    .sort((a, b) => b.length - a.length)
  const key = changedKeys.get(user)
  if (key === undefined) return { reason: `the key of ${user} has not changed` }
  const words = args
    .slice(user.length)
    .toLowerCase()
    .match(/[a-z]+/g)
    ?.join(' ')
  const expected = fingerprint(key)
  if (words === expected) return { request: { type: 'trust', user, key } }
  if (words === undefined) {
    return {
      reason:
        `the words of the new key of ${user} are: ${expected}. Compare them with ${user} over another channel; if they ` +
        `are the same, type /trust ${user} and these words`,
    }
  }
  return {
    reason:
      `these are not the words of the new key of ${user}, so it is not trusted. If they are the words that ${user} ` +
      `told you, someone else is using this name`,
  }
}
