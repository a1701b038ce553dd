/** Applies keys to the model. The actions of the finder and of the search are in finder.ts and search.ts. */
import { protocolTextFault } from '../../../src/client/text-limit.ts'
import type { Key } from '../../terminal/key-decoder.ts'
import { runCommand } from './commands/run-command.ts'
import { complete } from './editing/completion.ts'
import { addToInputHistory, recallInput } from './editing/input-history.ts'
import {
  handlePasteConfirmation,
  insertPaste,
  isLongPaste,
  requestPasteConfirmation,
  sanitizeInput,
} from './editing/paste.ts'
import { handleFinderAction, openFinder } from './finder.ts'
import type { Action } from './keymap.ts'
import { lastOwnMessage } from './layout/detail-lines.ts'
import { overlayLines } from './layout/overlay-lines.ts'
import { overlayHeight } from './layout/screen-layout.ts'
import type { Model, ScreenRequest } from './model.ts'
import { openInvitation } from './rooms/invitations.ts'
import { joinRoom } from './rooms/join-room.ts'
import { writeFault } from './rooms/room.ts'
import { pageSize, scroll } from './scroll.ts'
import { handleSearchAction, openSearch, restartSearch } from './search.ts'
import { openNthThread, openUnreadThread, switchThread } from './switch-thread.ts'
import { markOpenThreadRead, requestInitialPage } from './update.ts'

/** Applies a key to the model and returns the side effects to carry out. */
export function handleKey(model: Model, key: Key): ScreenRequest[] {
  const quitArmed = model.quitArmed
  model.quitArmed = false
  model.notice = undefined
  if (model.pendingPaste !== undefined) {
    handlePasteConfirmation(model, key)
    return []
  }
  const requests = key.type === 'key' ? handleNamedKey(model, key.name, quitArmed) : handleText(model, key)
  return [...requests, ...requestInitialPage(model), ...markOpenThreadRead(model)]
}

function handleText(model: Model, key: Extract<Key, { type: 'text' | 'paste' }>): ScreenRequest[] {
  const { type, text } = key
  if (model.overlay !== undefined) model.overlay = undefined
  else if (type === 'paste' && isLongPaste(text)) requestPasteConfirmation(model, text, key.isCut === true)
  else if (type === 'text' && text === '?' && model.focusedEditor.text === '') return handleAction(model, 'help', false)
  else if (type === 'paste') insertPaste(model, sanitizeInput(text))
  else model.focusedEditor.insert(sanitizeInput(text))
  model.completion = undefined
  return model.search === undefined ? [] : restartSearch(model, model.search)
}

function handleNamedKey(model: Model, name: string, quitArmed: boolean): ScreenRequest[] {
  const nth = /^M-([1-9])$/.exec(name)
  if (nth !== null) return openNthThread(model, Number(nth[1]))
  const action = model.bindings.get(name)
  if (action !== 'complete' && action !== 'complete-previous') model.completion = undefined
  return action === undefined ? [] : handleAction(model, action, quitArmed)
}

function handleAction(model: Model, action: Action, quitArmed: boolean): ScreenRequest[] {
  if (model.overlay !== undefined) return handleOverlayAction(model, action)
  if (model.finder !== undefined) return handleFinderAction(model, model.finder, action)
  if (model.search !== undefined) return handleSearchAction(model, model.search, action)
  const editor = model.focusedEditor
  switch (action) {
    case 'search':
      if (model.current !== undefined) return openSearch(model, '')
      model.showNotice('no thread is open', 'error')
      return []
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
    case 'scroll-to-end':
    case 'dismiss':
      return scroll(model, Number.POSITIVE_INFINITY)
    case 'next-thread':
      return switchThread(model, 1)
    case 'previous-thread':
      return switchThread(model, -1)
    case 'unread-thread':
      return openUnreadThread(model)
    case 'complete':
      complete(model, 1)
      return []
    case 'complete-previous':
      complete(model, -1)
      return []
    case 'find-user':
      openFinder(model, 'users')
      return []
    case 'members':
      return runCommand(model, 'names')
    case 'message-details': {
      const entry = lastOwnMessage(model)
      model.detailsId = entry?.id
      if (entry === undefined) model.showNotice('no message of yours here', 'error')
      else openOverlay(model, 'details')
      return []
    }
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
    case 'suspend':
      return [{ type: 'suspend' }]
    case 'toggle-sidebar':
      model.preferences = { ...model.preferences, sidebar: !model.preferences.sidebar }
      return [{ type: 'save' }]
    case 'help':
      return runCommand(model, 'help')
    case 'clear-or-quit':
      if (editor.text !== '') {
        editor.set('')
        return []
      }
      if (quitArmed) return [{ type: 'quit' }]
      model.quitArmed = true
      model.showNotice('press Ctrl+C again to quit')
      return []
    case 'delete-or-quit':
      if (editor.text === '') return [{ type: 'quit' }]
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
  const height = overlayHeight(model)
  const page = Math.max(1, height - 1)
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
  const lastTop = Math.max(0, overlayLines(model).length - height)
  model.overlayTop = Math.max(0, Math.min(Math.min(model.overlayTop, lastTop) + by, lastTop))
  return []
}

/** Why the user cannot write in the open thread; undefined: they can. */
function openRoomFault({ current, rooms, user }: Model): string | undefined {
  return current?.isRoom ? writeFault(current.name, rooms.get(current.name), user) : undefined
}

/** Runs the input as a command, or sends it to the open thread. */
function submit(model: Model): ScreenRequest[] {
  const editor = model.focusedEditor
  if (editor.text.trim() === '') return []
  const isCommand = editor.text.startsWith('/') && !editor.text.startsWith('//')
  if (!isCommand && model.current === undefined) {
    model.showNotice('no thread is open; open one with /msg NAME', 'error')
    return []
  }
  // The draft stays: it can be shortened, or sent in parts, or after joining the room.
  const fault = isCommand ? undefined : (protocolTextFault(editor.text) ?? openRoomFault(model))
  if (fault !== undefined) {
    model.showNotice(fault, 'error')
    return []
  }
  const text = editor.takeText()
  addToInputHistory(model, text)
  if (isCommand) return runCommand(model, text.slice(1))
  return [{ type: 'send', to: model.current?.name ?? '', text: text.replace(/^\/\//, '/') }]
}
