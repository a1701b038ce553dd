/** The content of the settings overlay. */
import { SETTINGS, settingValue } from '../preferences.ts'
import type { ReadonlyModel } from '../readonly-model.ts'
import type { OverlayLine } from './help-lines.ts'

export function settingLines({ preferences }: ReadonlyModel): OverlayLine[] {
  return [
    ...SETTINGS.map(({ name, values, help }): OverlayLine => {
      const others = values.filter(value => value !== settingValue(preferences, name)).join(', ')
      return { type: 'item', label: `${name} ${settingValue(preferences, name)}`, text: `${help} (or ${others})` }
    }),
    { type: 'text', text: '' },
    { type: 'text', text: '/set NAME VALUE changes one' },
  ]
}
