/** The commands of the line mode that find earlier messages and their links. */
import type { LineState } from '../line-state.ts'
import { printSearch } from '../search.ts'
import type { LineCommand } from './command.ts'

export function findingCommands(state: LineState): readonly LineCommand[] {
  return [
    {
      name: 'search',
      usage: 'TEXT',
      help: 'search the messages of the recipient',
      run: args => {
        if (state.recipient === undefined) state.print('no recipient; choose one with /to NAME, or use /search-all')
        else void search(state, args, state.recipient)
      },
    },
    {
      name: 'search-all',
      usage: 'TEXT',
      help: 'search all messages',
      run: args => void search(state, args, undefined),
    },
    {
      name: 'open',
      usage: '[N]',
      help: 'list the links of the recipient, or open link N',
      run: args => {
        const print = (line: string) => state.print(`* ${line}`)
        state.links.open(state.recipient ?? '', args, print, state.services.openLink)
      },
    },
  ]
}

function search(state: LineState, text: string, thread: string | undefined): Promise<void> {
  const { history, isOperator } = state.services
  return printSearch(history(), text, thread, {
    user: state.user,
    isOperator,
    shown: name => state.shown(name),
    print: line => state.print(line),
  })
}
