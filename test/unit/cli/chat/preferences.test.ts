import { describe, expect, test } from 'vitest'
import {
  DEFAULT_PREFERENCES,
  preferencesSchema,
  SETTINGS,
  settingValue,
  withSetting,
} from '../../../../cli/chat/model/preferences.ts'

test('an invalid value falls back to its default, and leaves the others', () => {
  expect(preferencesSchema.parse({ bell: 'loud', theme: 'pink', notes: false, muted: [1], keys: [] })).toEqual({
    ...DEFAULT_PREFERENCES,
    notes: false,
  })
})

describe.each(SETTINGS)('/set $name', setting => {
  test('has its default among its values', () => {
    expect(setting.values).toContain(settingValue(DEFAULT_PREFERENCES, setting.name))
  })

  test.each(setting.values)('can be %s', value => {
    const changed = withSetting(DEFAULT_PREFERENCES, setting, value)
    expect(changed && settingValue(changed, setting.name)).toBe(value)
    expect({ ...changed, [setting.name]: undefined }).toEqual({ ...DEFAULT_PREFERENCES, [setting.name]: undefined })
  })

  test('rejects any other value', () => {
    expect(withSetting(DEFAULT_PREFERENCES, setting, 'nonsense')).toBeUndefined()
  })
})
