/** Applies keys to the model. The actions of the finder and of the search are in finder.ts and search.ts. */
import type { Key } from '../../terminal/key-decoder.ts'
import { setFocus } from './alerts/focus.ts'
import { cancelShown } from './cancelling.ts'
import { runCommand } from './commands/run-command.ts'
import { complete } from './editing/completion.ts'
import { addToInputHistory, draftBehindHistory, recallInput } from './editing/input-history.ts'
import { isCommand } from './editing/is-command.ts'
import {
  handlePasteConfirmation,
  insertPaste,
  isLongPaste,
  requestPasteConfirmation,
  sanitizeInput,
} from './editing/paste.ts'
import { handleFinderAction, openFinder } from './finding/finder.ts'
import { handleSearchAction, openSearch, restartSearch } from './finding/search.ts'
import { handleSearchAllAction, openSearchAll, restartSearchAll } from './finding/search-all.ts'
import { endHighlight } from './finding/search-highlight.ts'
import { type Action, actionLabel, keyLabel, startsSequence } from './keymap.ts'
import { detailedMessage } from './layout/detail-lines.ts'
import { overlayHeight, toggledSidebar } from './layout/screen-layout.ts'
import type { Model, ScreenRequest } from './model.ts'
import { handleWheel } from './mouse.ts'
import { rosterRequests } from './names/roster-view.ts'
import { asksAboutRecipient, handleSuggestionKey } from './names/unseen-recipient.ts'
import { quit } from './quitting.ts'
import { openInvitation } from './rooms/invitations.ts'
import { joinRoom } from './rooms/join-room.ts'
import { writeFault } from './rooms/room.ts'
import { lengthFault } from './text-length.ts'
import {
  cancelDraftTarget,
  handleReactionAction,
  handleReactionText,
  handleSelectionAction,
  handleSelectionText,
  moveMessageSelection,
  sendText,
} from './threads/message-selection.ts'
import { pageSize, scroll } from './threads/scroll.ts'
import { scrollOverlay } from './threads/scroll-overlay.ts'
import { openNumberedThread, openUnreadThread, switchThread } from './threads/switch-thread.ts'
import { openDraft, typingRequests } from './threads/typing.ts'
import { markOpenThreadRead, requestInitialPage } from './update.ts'

/** Most keys that wait for the short names of emoji. */
const MAX_HELD_KEYS = 1_000

/** Applies a key to the model and returns the side effects to carry out. */
export function handleKey(model: Model, key: Key): ScreenRequest[] {
  if (key.type === 'focus') return setFocus(model, key.isFocused)
  if (key.type === 'mouse') return handleWheel(model, key.action)
  if (key.type === 'terminal') return []
  if (model.emojiAsked !== undefined) return holdKey(model, model.emojiAsked, key)
  // Some terminals report that the focus is lost, and not that it is back: who types looks at the screen.
  const requests = setFocus(model, true)
  const before = openDraft(model)
  requests.push(...handleInput(model, key))
  return [...requests, ...rosterRequests(model), ...typingRequests(model, before)]
}

/** Keeps a key until the short names of emoji are loaded: Tab and Enter in one chunk must not send the text before Tab. */
function holdKey(model: Model, { keys }: { keys: Key[] }, key: Key): ScreenRequest[] {
  keys.push(key)
  if (keys.length < MAX_HELD_KEYS) return []
  model.emojiAsked = undefined
  return keys.flatMap(one => handleKey(model, one))
}

function handleInput(model: Model, key: Exclude<Key, { type: 'focus' | 'mouse' | 'terminal' }>): ScreenRequest[] {
  const quitArmed = model.quitArmed
  model.quitArmed = false
  model.notice = undefined
  if (model.pendingPaste !== undefined) {
    handlePasteConfirmation(model, key)
    return []
  }
  const { suggestion } = model
  if (suggestion !== undefined && handleSuggestionKey(model, suggestion, key))
    return [{ type: 'save' }, ...requestInitialPage(model), ...markOpenThreadRead(model)]
  const requests = key.type === 'key' ? handleNamedKey(model, key.name, quitArmed) : handleText(model, key)
  return [...requests, ...requestInitialPage(model), ...markOpenThreadRead(model)]
}

function handleText(model: Model, key: Extract<Key, { type: 'text' | 'paste' }>): ScreenRequest[] {
  const { type, text } = key
  model.keyPrefix = undefined
  const { overlay, finder, search, searchAll } = model
  const isOverThread = [overlay, finder, search, searchAll].some(one => one !== undefined)
  if (!isOverThread && model.reactionPrompt !== undefined)
    return handleReactionText(model, model.reactionPrompt, sanitizeInput(text))
  const [first = ''] = text
  const selected = isOverThread ? undefined : handleSelectionText(model, type, first)
  if (selected !== undefined) {
    // A chunk of a terminal may have several keys.
    const rest = type === 'paste' ? '' : text.slice(first.length)
    return rest === '' ? selected : [...selected, ...handleText(model, { type: 'text', text: rest })]
  }
  // Without its slash, a command would be sent as a message.
  const isClosingOverlay = model.overlay !== undefined && !(type === 'text' && text.startsWith('/'))
  model.overlay = undefined
  if (isClosingOverlay) return []
  if (type === 'paste' && isLongPaste(text)) requestPasteConfirmation(model, text, key.isCut === true)
  else if (type === 'text' && text === '?' && model.focusedEditor.text === '') return handleAction(model, 'help', false)
  else if (type === 'paste') insertPaste(model, sanitizeInput(text))
  else model.focusedEditor.insert(sanitizeInput(text))
  model.completion = undefined
  endHighlight(model)
  if (model.searchAll !== undefined) return restartSearchAll(model.searchAll)
  return model.search === undefined ? [] : restartSearch(model, model.search)
}

function handleNamedKey(model: Model, name: string, quitArmed: boolean): ScreenRequest[] {
  const keys = model.keyPrefix === undefined ? name : `${model.keyPrefix} ${name}`
  model.keyPrefix = undefined
  const nth = /^M-([1-9])$/.exec(keys)
  if (nth !== null) return openNumberedThread(model, Number(nth[1]))
  const action = model.bindings.get(keys)
  if (action === undefined && startsSequence(model.bindings, keys)) {
    model.keyPrefix = keys
    model.showNotice(`${keyLabel(keys)} …`)
  } else if (action === undefined && keys !== name) model.showNotice(`${keyLabel(keys)} has no action`)
  if (action !== 'complete' && action !== 'complete-previous') model.completion = undefined
  return action === undefined ? [] : handleAction(model, action, quitArmed)
}

function handleAction(model: Model, action: Action, quitArmed: boolean): ScreenRequest[] {
  if (model.overlay !== undefined) return handleOverlayAction(model, action)
  if (model.finder !== undefined) return handleFinderAction(model, model.finder, action)
  if (model.searchAll !== undefined) return handleSearchAllAction(model, model.searchAll, action)
  if (model.search !== undefined) return handleSearchAction(model, model.search, action)
  const handled =
    model.reactionPrompt === undefined
      ? handleSelectionAction(model, action)
      : handleReactionAction(model, model.reactionPrompt, action)
  if (handled !== undefined) return handled
  const editor = model.focusedEditor
  switch (action) {
    case 'search':
      if (model.current !== undefined) return openSearch(model, '')
      model.showNotice('no thread is open', 'error')
      return []
    case 'search-all':
      return openSearchAll(model, '')
    case 'send':
      return submit(model)
    case 'new-line':
      editor.insert('\n')
      return []
    case 'previous-input':
      recallInput(model, -1)
      return []
    case 'next-input':
      recallInput(model, 1)
      return []
    case 'page-up':
      return scroll(model, -pageSize(model))
    case 'page-down':
      return scroll(model, pageSize(model))
    case 'scroll-to-start':
      return scroll(model, Number.NEGATIVE_INFINITY)
    case 'select-previous':
      return moveMessageSelection(model, -1)
    case 'select-next':
      return moveMessageSelection(model, 1)
    case 'dismiss':
      endHighlight(model)
      if (model.current !== undefined && cancelDraftTarget(model.current)) return []
      return scroll(model, Number.POSITIVE_INFINITY)
    case 'scroll-to-end':
      return scroll(model, Number.POSITIVE_INFINITY)
    case 'next-thread':
      return switchThread(model, 1)
    case 'previous-thread':
      return switchThread(model, -1)
    case 'unread-thread':
      return openUnreadThread(model)
    case 'complete':
      return complete(model, 1)
    case 'complete-previous':
      return complete(model, -1)
    case 'find-thread':
      openFinder(model, 'switcher')
      return [{ type: 'list-rooms' }]
    case 'members':
      return runCommand(model, 'names')
    case 'message-details': {
      const entry = detailedMessage(model)
      model.detailsId = entry?.id
      if (entry === undefined) model.showNotice('no message of yours here', 'error')
      else openOverlay(model, 'details')
      return []
    }
    case 'cancel-message':
      return cancelShown(model)
    case 'join-invitation': {
      const room = openInvitation(model)
      if (room !== undefined) return joinRoom(model, room)
      model.showNotice('no invitation to a room here', 'error')
      return []
    }
    case 'find-input':
      openFinder(model, 'input')
      return []
    case 'redraw':
      return [{ type: 'redraw' }]
    case 'edit-in-editor':
      return [{ type: 'edit-draft' }]
    case 'suspend':
      return [{ type: 'suspend' }]
    case 'toggle-sidebar':
      model.preferences = { ...model.preferences, sidebar: toggledSidebar(model) }
      return [{ type: 'save' }]
    case 'help':
      return runCommand(model, 'help')
    case 'clear-or-quit':
      if (model.current !== undefined && cancelDraftTarget(model.current)) return []
      if (editor.text !== '') {
        editor.cutText()
        const key = actionLabel(model.bindings, 'paste-cut')
        if (key !== undefined) model.showNotice(`cleared; ${key} brings the text back`)
        return []
      }
      if (quitArmed) return quit(model)
      model.quitArmed = true
      model.showNotice('press Ctrl+C again to quit')
      return []
    case 'delete-or-quit':
      if (editor.text === '') return quit(model)
      editor.apply('delete-right')
      return []
    default:
      editor.apply(action)
      return []
  }
}

function openOverlay(model: Model, overlay: Exclude<Model['overlay'], undefined>): void {
  model.overlay = overlay
  model.overlayTop = 0
}

/** Scrolls the overlay; any action that does not scroll it closes it. */
function handleOverlayAction(model: Model, action: Action): ScreenRequest[] {
  if (action === 'redraw' || action === 'suspend') return [{ type: action }]
  if (action === 'cancel-message' && model.overlay === 'details') {
    const requests = cancelShown(model)
    model.overlay = undefined
    return requests
  }
  const page = Math.max(1, overlayHeight(model) - 1)
  const rowsByAction: Partial<Record<Action, number>> = {
    'previous-input': -1,
    'next-input': 1,
    'page-up': -page,
    'page-down': page,
    'scroll-to-start': Number.NEGATIVE_INFINITY,
    'scroll-to-end': Number.POSITIVE_INFINITY,
  }
  const by = rowsByAction[action]
  if (by === undefined) {
    model.overlay = undefined
    return []
  }
  scrollOverlay(model, by)
  return []
}

/** Why the user cannot write in the open thread; undefined: they can. */
function openRoomFault({ current, rooms, user }: Model): string | undefined {
  return current?.isRoom ? writeFault(current.name, rooms.get(current.name), user) : undefined
}

/** Runs the input as a command, or sends it to the open thread. */
function submit(model: Model): ScreenRequest[] {
  const editor = model.focusedEditor
  const isEdit = model.current?.draftTarget?.kind === 'edit'
  if (editor.text.trim() === '') {
    if (isEdit) model.showNotice('the text is empty; /delete deletes the message', 'error')
    return []
  }
  const isCommandInput = isCommand(editor, model.current)
  if (!isCommandInput && model.current === undefined) {
    model.showNotice('no thread is open; open one with /msg NAME', 'error')
    return []
  }
  // The draft stays: it can be shortened, or sent in parts, or after joining the room.
  const fault = isCommandInput ? undefined : (lengthFault(model, toMessageText(editor.text)) ?? openRoomFault(model))
  if (fault !== undefined) {
    model.showNotice(fault, 'error')
    return []
  }
  const { current } = model
  if (!isCommandInput && !isEdit && current !== undefined && !current.isRoom && asksAboutRecipient(model, current.name))
    return []
  const draft = draftBehindHistory(model)
  const text = editor.takeText()
  addToInputHistory(model, text)
  if (draft !== undefined) editor.set(draft)
  if (isCommandInput) {
    const { current } = model
    const requests = runCommand(model, text.slice(1))
    if (current?.selection?.step === 'command') current.selection = undefined
    return requests
  }
  if (model.current === undefined) return []
  return sendText(model.current, isEdit ? text : toMessageText(text))
}

/** The message of an input: one that starts with a slash is written with two. */
function toMessageText(input: string): string {
  return input.replace(/^\/\//, '/')
}
