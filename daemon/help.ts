import { helpText } from '../src/programs/help.ts'

/** What stands below the options of `mesh-chatd --help`; test/programs/cli/help.test.ts holds that it is true. */
export const HELP = helpText({
  Examples: [
    ['mesh-chatd --id server-1', 'runs server-1 of the config.json here'],
    ['mesh-chatd --id server-1 --config /etc/mesh-chat/config.json', 'of another'],
    ['mesh-chatd --id new --port 3005 --join http://127.0.0.1:3001', 'joins a mesh without a config'],
    ['mesh-chatd check --id server-1', 'looks at the config, and at the other servers'],
    ['mesh-chatd token --user Anna --expires 12h', 'prints a token for Anna'],
    ['source <(mesh-chatd completion bash)', 'completion; zsh and fish, too'],
  ],
  'Exit codes': [
    ['0', 'drained, after SIGTERM or SIGINT'],
    ['1', 'port or id in use, or another failure; check: something is wrong'],
    ['2', 'wrong use, or a config that cannot be used'],
  ],
  Signals: [
    ['SIGTERM, SIGINT', 'drain: clients are asked to move, peers are told goodbye'],
    ['SIGHUP', 'reads config and certificates again; nobody is dropped'],
  ],
  Environment: [['MESH_CHAT_SECRET', 'what all servers know and nobody else, instead of secretFile']],
  Files: [
    ['config.json', 'here, else the one of the package; it may name'],
    ['  secretFile', 'the secret; for its owner only (chmod 600)'],
    ['  tokenKeyFile', 'with auth: token, the key of tokens; likewise'],
    ['  tls.cert, tls.key, tls.ca', 'certificate, key and authority, as PEM'],
  ],
})

/** The same of `mesh-chatd check --help`. */
export const CHECK_HELP = helpText({
  'Looked at': [
    ['config', 'its fields, and the files that it names; would servers start?'],
    ['servers', 'each other one: does it answer, hold the secret, know users in the'],
    ['', 'same way? is its certificate good? round trip, difference of clocks'],
    ['backbone', 'if the config names one: whether NATS is reached'],
  ],
  'Exit codes': [
    ['0', 'all is well'],
    ['1', 'a server is out of reach, or something is wrong with it'],
    ['2', 'the config cannot be used; no server was asked'],
  ],
})
