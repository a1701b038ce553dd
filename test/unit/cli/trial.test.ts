/** `npm start`: its user, and what it saves. */
import { afterAll, describe, expect, test } from 'vitest'
import { DEFAULT_PREFERENCES } from '../../../cli/chat/model/preferences.ts'
import { SettingsFile } from '../../../cli/settings.ts'
import { FALLBACK_USER, TrialSettings, trialUser } from '../../../cli/trial.ts'
import { stopAll, temporaryFolder } from '../../support/programs/processes.ts'

const previous = process.env.XDG_CONFIG_HOME
process.env.XDG_CONFIG_HOME = temporaryFolder()
afterAll(() => {
  if (previous === undefined) delete process.env.XDG_CONFIG_HOME
  else process.env.XDG_CONFIG_HOME = previous
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

test('the trial saves preferences, but no user, server and thread', () => {
  const daily = { user: 'Billy', server: 'http://127.0.0.1:3003', threads: { Billy: 'Anna' } }
  new SettingsFile().save(daily)
  const trial = new TrialSettings()
  trial.save({ user: 'kim' })
  trial.save({ server: 'http://127.0.0.1:3001' })
  const preferences = { ...DEFAULT_PREFERENCES, bell: !DEFAULT_PREFERENCES.bell }
  trial.save({
    userPreferences: trial.withPreferences('kim', preferences),
    threads: trial.withLastThread('kim', 'Echo'),
  })
  expect(new SettingsFile().settings).toEqual({
    ...daily,
    preferences: DEFAULT_PREFERENCES,
    userPreferences: { kim: { bell: preferences.bell } },
  })
})
