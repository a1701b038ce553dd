import { compareNames } from '../../../src/protocol/names.ts'
import type { Key } from '../../terminal/key-decoder.ts'
import { COMMANDS, runCommand } from './commands.ts'
import { isEditAction } from './editor.ts'
import { type Finder, finderMatches, moveSelection, openFinder } from './finder.ts'
import type { Action } from './keymap.ts'
import type { Model, ScreenRequest } from './model.ts'
import { pageSize, scroll } from './scroll.ts'
import { handleSearchAction, openSearch, restartSearch } from './search.ts'
import { markOpenThreadRead, pagesNeeded } from './update.ts'

/** A paste longer than so many characters, or lines, is asked about. */
const LONG_PASTE_CHARS = 4_000
const LONG_PASTE_LINES = 20
/** Lines kept of what was entered. */
const MAX_INPUT_HISTORY = 500

/** Brings a key into the model; answers with what the world is to do. */
export function handleKey(model: Model, key: Key): ScreenRequest[] {
  const quitArmed = model.quitArmed
  model.quitArmed = false
  model.notice = undefined
  if (model.pendingPaste !== undefined) return handlePasteConfirmation(model, key)
  const requests = dispatchKey(model, key, quitArmed)
  return [...requests, ...pagesNeeded(model), ...markOpenThreadRead(model)]
}

function dispatchKey(model: Model, key: Key, quitArmed: boolean): ScreenRequest[] {
  if (key.type !== 'key') {
    if (model.overlay !== undefined) model.overlay = undefined
    else if (key.type === 'paste' && isLongPaste(key.text)) askToConfirmPaste(model, key.text)
    else if (key.text === '?' && key.type === 'text' && activeEditor(model).text === '')
      return handleAction(model, 'help', quitArmed)
    else activeEditor(model).insert(sanitizeInput(key.text))
    model.completion = undefined
    return model.search === undefined ? [] : restartSearch(model, model.search)
  }
  const nth = /^M-([1-9])$/.exec(key.name)
  if (nth !== null) return openNthThread(model, Number(nth[1]))
  const action = model.bindings.get(key.name)
  if (action !== 'complete' && action !== 'complete-back') model.completion = undefined
  return action === undefined ? [] : handleAction(model, action, quitArmed)
}

/** What is typed or pasted as text: line breaks as one sort, tabs as spaces, no other control. */
function sanitizeInput(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replaceAll('\t', '    ')
    .replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, '')
}

/** The composer that takes what is typed: of the open thread, or the one for commands where none is open. */
function activeEditor(model: Model) {
  return model.search?.editor ?? model.finder?.editor ?? model.current?.editor ?? model.commandEditor
}

function handleAction(model: Model, action: Action, quitArmed: boolean): ScreenRequest[] {
  if (model.overlay !== undefined) return handleOverlayAction(model, action)
  if (model.finder !== undefined) return handleFinderAction(model, model.finder, action)
  if (model.search !== undefined) return handleSearchAction(model, model.search, action)
  const composer = activeEditor(model)
  switch (action) {
    case 'search':
      if (model.current === undefined) model.notice = { text: 'no thread is open', tone: 'error' }
      return model.current === undefined ? [] : openSearch(model, '')
    case 'send':
      return submit(model)
    case 'new-line':
      composer.insert('\n')
      return []
    case 'earlier':
      return recallInput(model, -1)
    case 'later':
      return recallInput(model, 1)
    case 'page-up':
      return scroll(model, -pageSize(model))
    case 'page-down':
      return scroll(model, pageSize(model))
    case 'top':
      return scroll(model, Number.NEGATIVE_INFINITY)
    case 'bottom':
    case 'escape':
      return scroll(model, Number.POSITIVE_INFINITY)
    case 'next-thread':
      return switchThread(model, 1)
    case 'last-thread':
      return switchThread(model, -1)
    case 'unread-thread': {
      const unread = model.threadsByActivity().find(thread => thread.unreadCount > 0)
      if (unread !== undefined) return openThread(model, unread.name)
      model.notice = { text: 'nothing is unread', tone: 'info' }
      return []
    }
    case 'complete':
      return complete(model, 1)
    case 'complete-back':
      return complete(model, -1)
    case 'find-people':
      openFinder(model, 'people')
      return []
    case 'find-entered':
      openFinder(model, 'entered')
      return []
    case 'redraw':
      return [{ type: 'redraw' }]
    case 'suspend':
      return [{ type: 'suspend' }]
    case 'sidebar':
      model.preferences = { ...model.preferences, sidebar: !model.preferences.sidebar }
      return [{ type: 'save' }]
    case 'help':
      return runCommand(model, 'help')
    case 'cancel':
      if (composer.text !== '') {
        composer.set('')
        return []
      }
      if (quitArmed) return [{ type: 'quit' }]
      model.quitArmed = true
      model.notice = { text: '^C again leaves, and so does /quit', tone: 'info' }
      return []
    case 'delete-or-leave':
      if (composer.text === '') return [{ type: 'quit' }]
      composer.apply('delete-right')
      return []
    default:
      composer.apply(action)
      return []
  }
}

function handleOverlayAction(model: Model, action: Action): ScreenRequest[] {
  const page = pageSize(model)
  const move: Partial<Record<Action, number>> = { earlier: -1, later: 1, 'page-up': -page, 'page-down': page }
  const by = move[action]
  if (by !== undefined) model.overlayTop = Math.max(0, model.overlayTop + by)
  else if (action === 'redraw' || action === 'suspend') return [{ type: action }]
  else model.overlay = undefined
  return []
}

function handleFinderAction(model: Model, finder: Finder, action: Action): ScreenRequest[] {
  switch (action) {
    case 'earlier':
    case 'last-thread':
    case 'complete-back':
      moveSelection(model, finder, -1)
      return []
    case 'later':
    case 'next-thread':
    case 'complete':
    case 'find-people':
    case 'find-entered':
      moveSelection(model, finder, 1)
      return []
    case 'send': {
      const chosen = finderMatches(model, finder)[finder.selectedIndex]
      model.finder = undefined
      if (chosen === undefined) return []
      if (finder.kind === 'people') return openThread(model, chosen)
      activeEditor(model).set(chosen)
      return []
    }
    case 'escape':
    case 'cancel':
      model.finder = undefined
      return []
    case 'redraw':
    case 'suspend':
      return [{ type: action }]
    default:
      if (isEditAction(action)) finder.editor.apply(action)
      finder.selectedIndex = 0
      return []
  }
}

/** A paste so long may be a mistake: it is asked about. */
function isLongPaste(text: string): boolean {
  return text.length > LONG_PASTE_CHARS || text.split(/\r\n?|\n/, LONG_PASTE_LINES + 1).length > LONG_PASTE_LINES
}

function askToConfirmPaste(model: Model, text: string): void {
  model.pendingPaste = sanitizeInput(text)
  const lines = model.pendingPaste.split('\n').length
  const what = lines > 1 ? `${lines} lines` : `${model.pendingPaste.length} characters`
  model.notice = { text: `put ${what} into the message? Enter does, any other key does not`, tone: 'info' }
}

function handlePasteConfirmation(model: Model, key: Key): ScreenRequest[] {
  const text = model.pendingPaste ?? ''
  model.pendingPaste = undefined
  const yes = key.type === 'key' ? key.name === 'enter' : key.type === 'text' && key.text.toLowerCase() === 'y'
  if (yes) activeEditor(model).insert(text)
  return []
}

function submit(model: Model): ScreenRequest[] {
  const composer = activeEditor(model)
  if (composer.text.trim() === '') return []
  const command = composer.text.startsWith('/') && !composer.text.startsWith('//')
  if (!command && model.current === undefined) {
    model.notice = { text: 'nobody is chosen yet: /msg NAME opens a thread', tone: 'error' }
    return []
  }
  const text = composer.takeText()
  if (model.inputHistory.at(-1) !== text) model.inputHistory.push(text)
  if (model.inputHistory.length > MAX_INPUT_HISTORY) model.inputHistory.shift()
  model.inputHistoryIndex = undefined
  if (command) return runCommand(model, text.slice(1))
  return [{ type: 'send', to: model.current?.name ?? '', text: text.replace(/^\/\//, '/') }]
}

/** Up and down move between the lines of a long message first, then through what was entered. */
function recallInput(model: Model, by: -1 | 1): ScreenRequest[] {
  const composer = activeEditor(model)
  const { text, cursor } = composer
  const inLine = by < 0 ? text.slice(0, cursor).includes('\n') : text.slice(cursor).includes('\n')
  if (inLine && model.inputHistoryIndex === undefined) {
    composer.apply(by < 0 ? 'line-start' : 'line-end')
    composer.apply(by < 0 ? 'left' : 'right')
    return []
  }
  const at = (model.inputHistoryIndex ?? model.inputHistory.length) + by
  if (at < 0 || at > model.inputHistory.length || (by > 0 && model.inputHistoryIndex === undefined)) return []
  model.inputHistoryIndex = at === model.inputHistory.length ? undefined : at
  composer.set(model.inputHistory[at] ?? '')
  return []
}

function openThread(model: Model, name: string): ScreenRequest[] {
  model.openThread(name)
  return [{ type: 'save' }]
}

function openNthThread(model: Model, nth: number): ScreenRequest[] {
  const thread = model.threadsByActivity()[nth - 1]
  return thread === undefined ? [] : openThread(model, thread.name)
}

/** Through the threads with a message, then those online with whom there is none yet. */
function switchThread(model: Model, by: 1 | -1): ScreenRequest[] {
  const activeThreads = model
    .threadsByActivity()
    .filter(thread => thread.entries.length > 0 || thread.editor.text !== '')
  const names = activeThreads.map(thread => thread.name)
  const known = new Set(names).add(model.user)
  const withoutThread = [...model.online].filter(name => !known.has(name))
  const current = model.current?.name
  if (current !== undefined && !names.includes(current) && !withoutThread.includes(current)) withoutThread.push(current)
  names.push(...withoutThread.sort(compareNames))
  if (names.length === 0) return []
  const at = current === undefined ? (by > 0 ? -1 : 0) : names.indexOf(current)
  return openThread(model, names[(at + by + names.length) % names.length] ?? '')
}

/** Completes the word before the cursor: a command at the beginning of a line, else a name; again, the next one. */
function complete(model: Model, by: 1 | -1): ScreenRequest[] {
  const composer = activeEditor(model)
  const { completion } = model
  if (completion === undefined) {
    const before = composer.text.slice(0, composer.cursor)
    const start = before.startsWith('/') && !before.includes(' ') ? 0 : before.search(/\S*$/)
    const word = before.slice(start).toLowerCase()
    const all =
      start === 0 && word.startsWith('/')
        ? COMMANDS.map(command => `/${command.name} `)
        : [...new Set([...model.threads.keys(), ...model.online])].sort(compareNames).map(name => `${name} `)
    const candidates = all.filter(candidate => candidate.toLowerCase().startsWith(word))
    if (word === '' || candidates.length === 0) return []
    model.completion = { start, candidates, index: by > 0 ? 0 : candidates.length - 1 }
  } else {
    const { length } = completion.candidates
    completion.index = (completion.index + by + length) % length
  }
  const chosen = model.completion
  if (chosen !== undefined) composer.replace(chosen.start, chosen.candidates[chosen.index] ?? '')
  return []
}
