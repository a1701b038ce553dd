import { EXIT } from '../src/programs/fail.ts'
import { helpText } from '../src/programs/help.ts'

/** What stands below the options of `mesh-chat --help`; test/programs/cli/help.test.ts holds that it is true. */
export const HELP = helpText({
  Examples: [
    ['mesh-chat --user Anna --port 3001', 'chat as Anna, by a server of this machine'],
    ['mesh-chat', 'the same again: it is remembered'],
    [
      'mesh-chat --server https://a.example:3001 https://b.example:3001 --to Billy',
      'by either; with the thread of Billy',
    ],
    ['mesh-chat send --user Bot --to Anna "done"', 'one message; the exit code is its fate'],
    ['uptime | mesh-chat send --user Bot --to Anna -', 'the same from stdin'],
    ['mesh-chat --json --user Bot', 'JSON lines both ways, for a program'],
    ['mesh-chat lab', 'servers and clients side by side, in tmux'],
    ['source <(mesh-chat completion bash)', 'completion; zsh and fish, too'],
  ],
  'In the chat': [
    ['?', 'shows all commands and keys (on an empty line)'],
    ['/quit, or ^D on an empty line', 'leaves'],
  ],
  'Exit codes': [
    ['0', 'all went well; send: a client of the recipient has it'],
    [`${EXIT.general}`, 'refused, or another failure'],
    [`${EXIT.usage}`, 'wrong use'],
    [`${EXIT.offline}`, 'send: the recipient stayed offline until the timeout'],
    [`${EXIT.unavailable}`, 'no server was reached'],
    ['70', 'a crash'],
    ['129, 130, 143', 'ended by SIGHUP, SIGINT, SIGTERM'],
  ],
  Environment: [
    ['MESH_CHAT_TOKEN', 'says who you are, where the mesh asks for a token'],
    ['NO_COLOR', 'no colours'],
    ['INK_SCREEN_READER', 'true: as with --screen-reader'],
    ['TERM', 'dumb: as with --plain'],
    ['XDG_STATE_HOME', 'histories and keys are below it (default: ~/.local/state)'],
    ['XDG_CONFIG_HOME', 'settings are below it (default: ~/.config)'],
  ],
  Files: [
    ['~/.local/state/mesh-chat', 'what was said, what waits, and keys'],
    ['~/.config/mesh-chat/config.json', 'settings; who and where you were last'],
    ['config.json', 'in the working folder: servers to try'],
  ],
})
