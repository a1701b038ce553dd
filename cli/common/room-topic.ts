/** The argument of `/topic`, which shows a topic and sets none. */

export const TOPIC_ORIGIN = 'topics are set in the config of the servers; /topic #ROOM shows one'

/** Whether the argument is not a room, but a text that is meant as a topic. */
export function isNewTopic(args: string, isKnownRoom: (name: string) => boolean): boolean {
  return args !== '' && (/\s/.test(args) || !(args.startsWith('#') || isKnownRoom(`#${args}`)))
}
