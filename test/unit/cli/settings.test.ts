/** The settings file: defaults, invalid values, files that cannot be read or written. */
import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { DEFAULT_PREFERENCES } from '../../../cli/chat/model/preferences.ts'
import { SettingsFile } from '../../../cli/settings.ts'
import { stopAll, temporaryFolder } from '../../support/programs/processes.ts'

const previous = process.env.XDG_CONFIG_HOME
let folder = ''

beforeEach(() => {
  const home = temporaryFolder()
  process.env.XDG_CONFIG_HOME = home
  folder = join(home, 'mesh-chat')
})
afterAll(() => {
  if (previous === undefined) delete process.env.XDG_CONFIG_HOME
  else process.env.XDG_CONFIG_HOME = previous
  stopAll()
})

const DEFAULTS = { preferences: DEFAULT_PREFERENCES, userPreferences: {}, threads: {} }
const file = () => join(folder, 'config.json')

function write(content: string): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(file(), content)
}

test('without a file the settings are the defaults', () => {
  expect(new SettingsFile().settings).toEqual(DEFAULTS)
})

test('saved settings are read by the next run, and a change keeps the others', () => {
  const first = new SettingsFile()
  first.save({ user: 'Anna', threads: { Anna: 'Billy' } })
  first.save({ server: 'http://127.0.0.1:3001' })
  const saved = { ...DEFAULTS, user: 'Anna', server: 'http://127.0.0.1:3001', threads: { Anna: 'Billy' } }
  expect(first.settings).toEqual(saved)
  expect(new SettingsFile().settings).toEqual(saved)
})

test('only the user can read the file, also one that others could read before', () => {
  new SettingsFile().save({ user: 'Anna' })
  expect(statSync(file()).mode & 0o777).toBe(0o600)
  chmodSync(file(), 0o644)
  new SettingsFile().save({ user: 'Billy' })
  expect(statSync(file()).mode & 0o777).toBe(0o600)
})

test('the last thread is stored by user, and removed when no thread is open', () => {
  const settings = new SettingsFile()
  settings.save({ threads: settings.withLastThread('Anna', 'Billy') })
  settings.save({ threads: settings.withLastThread('Carla', 'Dora') })
  expect(new SettingsFile().lastThread('Anna')).toBe('Billy')
  settings.save({ threads: settings.withLastThread('Anna', undefined) })
  const next = new SettingsFile()
  expect([next.lastThread('Anna'), next.lastThread('Carla')]).toEqual([undefined, 'Dora'])
})

test.each(['constructor', '__proto__', 'toString'])('a user named %s has settings like any other', user => {
  const settings = new SettingsFile()
  expect([settings.lastThread(user), settings.preferencesOf(user)]).toEqual([undefined, DEFAULT_PREFERENCES])
  settings.save({ threads: settings.withLastThread(user, 'Billy') })
  const preferences = { ...settings.preferencesOf(user), muted: ['Bot'], ignored: [user] }
  settings.save({ userPreferences: settings.withPreferences(user, preferences) })
  const next = new SettingsFile()
  expect([next.lastThread(user), next.preferencesOf(user)]).toEqual(['Billy', preferences])
  next.save({ threads: next.withLastThread('Carla', 'Dora') })
  expect(new SettingsFile().lastThread(user)).toBe('Billy')
  expect(new SettingsFile().preferencesOf('Carla')).toEqual(DEFAULT_PREFERENCES)
})

test('a field with an invalid value gets its default; the others are kept', () => {
  const preferences = { ...DEFAULT_PREFERENCES, bell: 'loud', theme: 'blue' }
  write(JSON.stringify({ user: 7, server: 'http://a:1', threads: [], preferences }))
  expect(new SettingsFile().settings).toEqual({
    ...DEFAULTS,
    server: 'http://a:1',
    preferences: { ...DEFAULT_PREFERENCES, theme: 'blue' },
  })
})

describe('a file that a person has edited', () => {
  test.each([
    [
      'a comma too many',
      '{\n  "preferences": {\n    "muted": ["Bot"],\n  }\n}\n',
      /config\.json is not JSON: unexpected "}" \(line 4, column 3\);/,
    ],
    ['half of a file', '{"user":"An', /config\.json is not JSON: .*\(line 1, column 9\);/],
    ['a list', '["Troll"]', /config\.json is not a JSON object;/],
  ])('%s: the defaults apply, the error says where, and the file is not changed', (_, content, problem) => {
    write(content)
    const settings = new SettingsFile()
    expect(settings.settings).toEqual(DEFAULTS)
    expect(settings.problem).toMatch(problem)
    settings.save({ user: 'Anna' })
    expect(settings.settings.user).toBe('Anna')
    expect(readFileSync(file(), 'utf8')).toBe(content)
  })

  test('is not overwritten if it is damaged while the client runs', () => {
    const settings = new SettingsFile()
    settings.save({ user: 'Anna' })
    write('{,}')
    settings.save({ user: 'Billy' })
    expect(readFileSync(file(), 'utf8')).toBe('{,}')
  })

  test('may start with a byte order mark', () => {
    write('\ufeff{"preferences": {"keys": {"C-x": "find-people"}, "ignored": ["Troll"]}}')
    const settings = new SettingsFile()
    expect(settings.problem).toBeUndefined()
    expect(settings.settings.preferences).toMatchObject({ keys: { 'C-x': 'find-people' }, ignored: ['Troll'] })
  })

  test('one bad value is named, ignored and left in the file; the others apply', () => {
    const preferences = { keys: { 'C-x': 'find-people' }, ignored: ['Troll', 7], muted: ['Bot'], sidebar: 'wide' }
    write(JSON.stringify({ preferences, later: { version: 3 } }))
    const settings = new SettingsFile()
    expect(settings.problem).toMatch(/config\.json: preferences\.(sidebar|ignored\.1): .*; this value is ignored/)
    expect(settings.settings.preferences).toMatchObject({ sidebar: 'auto', ignored: ['Troll'], muted: ['Bot'] })
    settings.save({ user: 'Anna', preferences: { ...settings.settings.preferences, muted: ['Bot', 'Carla'] } })
    expect(JSON.parse(readFileSync(file(), 'utf8'))).toEqual({
      user: 'Anna',
      preferences: { ...preferences, muted: ['Bot', 'Carla'] },
      later: { version: 3 },
    })
  })

  test('stays a symbolic link', () => {
    const target = join(folder, 'dotfiles.json')
    write('{}')
    renameSync(file(), target)
    symlinkSync(target, file())
    new SettingsFile().save({ user: 'Anna' })
    expect(JSON.parse(readFileSync(target, 'utf8'))).toEqual({ user: 'Anna' })
  })
})

test('two clients that change different settings both win', () => {
  new SettingsFile().save({
    preferences: { ...DEFAULT_PREFERENCES, ignored: ['Troll'], muted: ['Bot'], keys: { 'C-x': 'search' } },
  })
  const [one, other] = [new SettingsFile(), new SettingsFile()]
  one.save({ preferences: { ...one.settings.preferences, ignored: ['Troll', 'Spam'], theme: 'blue' } })
  other.save({ preferences: { ...other.settings.preferences, ignored: ['Noise'], sidebar: 'off' } })
  one.save({ threads: one.withLastThread('Anna', 'Billy') })
  other.save({ threads: other.withLastThread('Carla', '__proto__') })
  other.save({ threads: other.withLastThread('__proto__', 'Dora') })
  const { preferences, threads } = JSON.parse(readFileSync(file(), 'utf8'))
  expect(preferences).toMatchObject({
    ignored: ['Spam', 'Noise'],
    muted: ['Bot'],
    theme: 'blue',
    sidebar: 'off',
    keys: { 'C-x': 'search' },
  })
  expect(Object.entries(threads)).toEqual([
    ['Anna', 'Billy'],
    ['Carla', '__proto__'],
    ['__proto__', 'Dora'],
  ])
})

describe('the preferences of a user', () => {
  test('are their own; what they have not changed is that of all users, as earlier versions stored it', () => {
    write('{"preferences": {"sidebar": false, "muted": ["Bot"], "theme": "blue"}}')
    const settings = new SettingsFile()
    expect(settings.preferencesOf('Anna')).toMatchObject({ sidebar: 'off', muted: ['Bot'], theme: 'blue' })
    const changed = { ...settings.preferencesOf('Anna'), muted: ['Bot', 'Carla'], ignored: ['Troll'] }
    settings.save({ userPreferences: settings.withPreferences('Anna', changed) })
    expect(JSON.parse(readFileSync(file(), 'utf8'))).toEqual({
      preferences: { sidebar: false, muted: ['Bot'], theme: 'blue' },
      userPreferences: { Anna: { muted: ['Bot', 'Carla'], ignored: ['Troll'] } },
    })
    const later = new SettingsFile()
    expect(later.preferencesOf('Anna')).toEqual(changed)
    expect(later.preferencesOf('Billy')).toMatchObject({ muted: ['Bot'], ignored: [], theme: 'blue' })
  })

  test('saving what has not changed writes nothing', () => {
    write('{}')
    const settings = new SettingsFile()
    settings.save({ userPreferences: settings.withPreferences('Anna', settings.preferencesOf('Anna')) })
    expect(readFileSync(file(), 'utf8')).toBe('{}')
  })

  test('of two clients that mute different users, both win', () => {
    const [one, other] = [new SettingsFile(), new SettingsFile()]
    for (const [settings, muted] of [
      [one, ['Bot']],
      [other, ['Carla']],
    ] as const) {
      const changed = { ...settings.preferencesOf('constructor'), muted: [...muted] }
      settings.save({ userPreferences: settings.withPreferences('constructor', changed) })
    }
    expect(new SettingsFile().preferencesOf('constructor').muted).toEqual(['Bot', 'Carla'])
  })

  test('a bad value is named', () => {
    write('{"userPreferences": {"Anna": {"theme": "neon", "bell": false}}}')
    const settings = new SettingsFile()
    expect(settings.problem).toMatch(/userPreferences\.Anna\.theme: .*; this value is ignored/)
    expect(settings.preferencesOf('Anna')).toMatchObject({ theme: 'calm', bell: false })
  })
})

test('the file and its folder are for their owner only', () => {
  write('{"user":"Anna"}')
  chmodSync(file(), 0o644)
  chmodSync(folder, 0o755)
  const settings = new SettingsFile()
  expect([file(), folder].map(path => statSync(path).mode & 0o777)).toEqual([0o600, 0o700])
  settings.save({ user: 'Billy' })
  expect(statSync(file()).mode & 0o777).toBe(0o600)
})

test('settings that cannot be written last until the program exits', () => {
  // A folder in place of the file: works for root, too.
  mkdirSync(file(), { recursive: true })
  const settings = new SettingsFile()
  settings.save({ user: 'Anna' })
  expect(settings.settings.user).toBe('Anna')
  expect(new SettingsFile().settings.user).toBeUndefined()
})

test.skipIf(process.getuid?.() === 0)('a folder without write permission is no error', () => {
  write('{"user":"Anna"}')
  chmodSync(folder, 0o500)
  const settings = new SettingsFile()
  settings.save({ user: 'Billy' })
  expect([settings.settings.user, new SettingsFile().settings.user]).toEqual(['Billy', 'Anna'])
  chmodSync(folder, 0o700)
})
