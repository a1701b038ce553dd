import type { SessionEvent } from '../../src/client/events.ts'

/** A line for the person about the mesh or the files on this machine. */
export interface Notice {
  type: 'notice'
  code:
    | 'mesh-new'
    | 'mesh-proven'
    | 'mesh-rotated'
    | 'mesh-same'
    | 'history-moved'
    | 'files-closed'
    | 'known-meshes-unusable'
    | 'storage-failed'
    | 'settings-unusable'
    | 'not-stored'
    | 'stored-again'
    | 'clock-wrong'
    | 'started-offline'
    /** Only in the chat of `npm start`. */
    | 'server-ended'
  text: string
  /** Whether it is about a risk. */
  isWarning: boolean
}

/** What the client tells its user interface. `storage`: the history on disk is another one now. */
export type ClientEvent = SessionEvent | Notice | { type: 'storage' }
