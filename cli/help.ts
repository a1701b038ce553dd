import { EXIT } from '../src/programs/command-line/fail.ts'
import { helpText } from '../src/programs/command-line/help.ts'

/** The text below the options of `mesh-chat --help`; test/programs/cli/help.test.ts checks it against the code. */
export const HELP = helpText({
  Examples: [
    ['mesh-chat --user Anna --port 3001', 'chat as Anna, on a server of this machine'],
    ['mesh-chat', 'the last user on the last server'],
    [
      'mesh-chat --server https://a.example:3001 https://b.example:3001 --to Billy',
      'on either server; open a thread with Billy',
    ],
    ['mesh-chat send --user Bot --to Anna "done"', 'exit code 0 means delivered'],
    ['mesh-chat send --user Bot --to \'#ops\' "done"', 'to a room; delivered: another member has it'],
    ['uptime | mesh-chat send --user Bot --to Anna -', 'reads the text from stdin'],
    ['mesh-chat --json --user Bot', 'JSON lines in and out, for programs'],
    ['mesh-chat lab', 'servers and clients side by side in tmux'],
    ['source <(mesh-chat completion bash)', 'completion; also for zsh and fish'],
  ],
  'In the chat': [
    ['? on an empty line', 'show all commands and keys'],
    ['/quit, or Ctrl+D on an empty line', 'quit'],
  ],
  'Exit codes': [
    ['0', 'success; send: delivered to a client of the recipient'],
    [`${EXIT.general}`, 'rejected by the server, or another failure'],
    [`${EXIT.usage}`, 'wrong usage'],
    [`${EXIT.offline}`, 'send: not delivered within the timeout'],
    [`${EXIT.unconfirmed}`, 'send: not confirmed in time; it may have arrived'],
    [`${EXIT.unavailable}`, 'no server answers'],
    [`${EXIT.crash}`, 'crash'],
    ['129, 130, 143', 'ended by SIGHUP, SIGINT, SIGTERM'],
  ],
  Environment: [
    ['MESH_CHAT_TOKEN', 'your token, for meshes that require one'],
    ['NO_COLOR', 'any value: no colors'],
    ['INK_SCREEN_READER', 'true: same as --screen-reader'],
    ['TERM', 'dumb: same as --plain'],
    ['VISUAL', 'editor of Ctrl+X Ctrl+E; else EDITOR, else vi'],
    ['EDITOR', 'see VISUAL'],
    ['BROWSER', 'program that /open starts; else xdg-open or open'],
    ['XDG_STATE_HOME', 'base folder of messages and keys (~/.local/state)'],
    ['XDG_CONFIG_HOME', 'base folder of settings (~/.config)'],
  ],
  Files: [
    ['~/.local/state/mesh-chat', 'known meshes, histories, unsent texts, keys'],
    ['~/.config/mesh-chat/config.json', 'settings, last user, last server'],
    ['config.json', 'in the working folder: servers to connect to'],
  ],
})
