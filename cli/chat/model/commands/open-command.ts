import { openLinks } from '../finding/finder.ts'
import { threadLinks } from '../threads/links.ts'
import { type Command, notify } from './command.ts'

export const OPEN_COMMAND: Command = {
  name: 'open',
  usage: '[N]',
  help: 'list the links of this thread, or open link N',
  run: (model, args) => {
    if (model.current === undefined) return notify(model, 'no thread is open', 'error')
    const links = threadLinks(model.current)
    if (links.length === 0) return notify(model, 'no links here', 'error')
    if (args === '') {
      openLinks(model)
      return []
    }
    const url = /^\d{1,6}$/.test(args) ? links[Number(args) - 1] : undefined
    if (url === undefined) return notify(model, `there are links 1 to ${links.length}; /open lists them`, 'error')
    return [{ type: 'open-link', url }]
  },
}
