/** The argument of `/topic`, which shows a topic and sets none. */

export const TOPIC_ORIGIN = 'topics come from the config of the servers, and cannot be set here; /topic #ROOM shows one'

/** Whether the argument is not a room, but a text that is meant as a topic. */
export function isNewTopic(args: string, isKnownRoom: (name: string) => boolean): boolean {
  return args !== '' && (/\s/.test(args) || !(args.startsWith('#') || isKnownRoom(`#${args}`)))
}
