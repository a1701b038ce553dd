import { parseNameArgument, quoteName } from '../common/name-argument.ts'
import { fingerprint } from './fingerprint.ts'

/** The answer to commands about keys in a mesh without them. */
export const NO_KEYS = 'this mesh does not use user keys'

/** The request to trust a key, or why there is none, as a sentence for a person. */
type TrustDecision = { request: { type: 'trust'; user: string; key: string } } | { reason: string }

/**
 * Decides about `/trust NAME WORDS`: the words must be those of the user's new key, so that the key that was compared is
 * the key that is trusted, even if another one has arrived in the meantime.
 * @param changedKeys the new key of each user whose key has changed
 * @param isKnown whether there is a user with this name
 */
export function decideTrust(
  args: string,
  changedKeys: ReadonlyMap<string, string>,
  isKnown: (name: string) => boolean,
): TrustDecision {
  const parsed = parseNameArgument(args, name => changedKeys.has(name) || isKnown(name))
  const { name: user, rest } = parsed.ok ? parsed.value : { name: args, rest: '' }
  const key = changedKeys.get(user)
  if (key === undefined) {
    const isName = args.startsWith('"') || isKnown(user)
    return { reason: `the key of ${isName ? user : args} has not changed` }
  }
  const words = rest
    .toLowerCase()
    .match(/[a-z]+/g)
    ?.join(' ')
  const expected = fingerprint(key)
  if (words === expected) return { request: { type: 'trust', user, key } }
  if (words === undefined) {
    return {
      reason:
        `the words of the new key of ${user} are: ${expected}. Compare them with ${user} over another channel; if they ` +
        `are the same, type /trust ${quoteName(user)} and these words`,
    }
  }
  return {
    reason:
      `these are not the words of the new key of ${user}, so it is not trusted. If they are the words that ${user} ` +
      `told you, someone else is using this name`,
  }
}
