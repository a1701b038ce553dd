import { sanitizeLine } from '../../../../src/protocol/text.ts'
import { type Command, changePreferences, notify, toggled } from './command.ts'

/** Most words, and the longest one, in UTF-16 units. Each message of a room is searched for each word. */
const MAX_HIGHLIGHTS = 50
const MAX_HIGHLIGHT_LENGTH = 64

export const HIGHLIGHT_COMMAND: Command = {
  name: 'highlight',
  usage: '[WORD]',
  help: 'treat WORD in rooms like your name; again: undo',
  screenOnly: 'it neither colors nor rings',
  run: (model, args) => {
    const { highlights } = model.preferences
    const word = sanitizeLine(args)
    if (word === '') {
      return notify(
        model,
        highlights.length === 0 ? 'no words are highlighted' : `highlighted: ${highlights.join(', ')}`,
      )
    }
    if (word.length > MAX_HIGHLIGHT_LENGTH) return notify(model, 'this word is too long', 'error')
    const isHighlighted = highlights.includes(word)
    if (!isHighlighted && highlights.length >= MAX_HIGHLIGHTS)
      return notify(model, `at most ${MAX_HIGHLIGHTS} words can be highlighted`, 'error')
    changePreferences(model, { highlights: toggled(highlights, word) })
    notify(
      model,
      isHighlighted ? `${word} is no longer highlighted` : `${word} is highlighted in new messages of rooms`,
    )
    return [{ type: 'save' }]
  },
}
