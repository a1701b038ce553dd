/** `npm start`: its user, and its files. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { SettingsFile } from '../../../cli/settings.ts'
import { dataFolder, setFolderName } from '../../../cli/storage/data-folder.ts'
import { FALLBACK_USER, TRIAL_FOLDER, trialUser } from '../../../cli/trial.ts'
import { stopAll, temporaryFolder } from '../../support/programs/processes.ts'

const NAMES = ['XDG_CONFIG_HOME', 'XDG_STATE_HOME'] as const
const previous = NAMES.map(name => process.env[name])
const home = temporaryFolder()
for (const name of NAMES) process.env[name] = home

afterEach(() => setFolderName('mesh-chat'))

afterAll(() => {
  for (const [at, name] of NAMES.entries()) {
    const value = previous[at]
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
  stopAll()
})

describe('the user of the trial', () => {
  test('is the login name', () => {
    expect(trialUser('kim')).toBe('kim')
  })

  test.each(['', 'a\u0007b', 'Echo', 'echo', 'ECHO'])('is a fixed name for the login name %j', login => {
    expect(trialUser(login)).toBe(FALLBACK_USER)
  })
})

test('the trial has its own messages and settings, and finds them again', () => {
  new SettingsFile().save({ user: 'Billy' })
  const daily = dataFolder()
  setFolderName(TRIAL_FOLDER)
  expect(new SettingsFile().settings.user).toBe(undefined)
  new SettingsFile().save({ user: 'kim' })
  expect(new SettingsFile().settings.user).toBe('kim')
  expect([dataFolder(), daily]).toEqual([join(home, TRIAL_FOLDER), join(home, 'mesh-chat')])
  expect(existsSync(join(home, TRIAL_FOLDER, 'config.json'))).toBe(true)
  setFolderName('mesh-chat')
  expect(new SettingsFile().settings.user).toBe('Billy')
})
