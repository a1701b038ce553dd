import { join } from 'node:path'
import { afterAll, beforeEach } from 'vitest'
import { stopAll, temporaryFolder } from '../../support/programs/processes.ts'

/** Gives each test of a file an empty XDG_STATE_HOME. Returns the path of a file in the client's data folder. */
export function stateFolderPerTest(): (name: string) => string {
  const previous = process.env.XDG_STATE_HOME
  let home = ''
  beforeEach(() => {
    home = temporaryFolder()
    process.env.XDG_STATE_HOME = home
  })
  afterAll(() => {
    if (previous === undefined) delete process.env.XDG_STATE_HOME
    else process.env.XDG_STATE_HOME = previous
    stopAll()
  })
  return name => join(home, 'mesh-chat', name)
}
