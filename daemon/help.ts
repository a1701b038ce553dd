import { EXIT } from '../src/programs/command-line/fail.ts'
import { helpText } from '../src/programs/command-line/help.ts'

/** The text after the options of `mesh-chatd --help`; test/programs/cli/help.test.ts checks that it is true. */
export const HELP = helpText({
  Examples: [
    ['mesh-chatd --id server-1', 'run server-1 of ./config.json'],
    ['mesh-chatd --id server-1 --config /etc/mesh-chat/config.json', 'use another config'],
    ['mesh-chatd --id new --port 3005 --join http://127.0.0.1:3001', 'join a mesh without a config'],
    ['mesh-chatd check --id server-1', 'check the config and the other servers'],
    ['mesh-chatd token --user Anna --expires 12h', 'print a token for Anna'],
    ['source <(mesh-chatd completion bash)', 'load completion; also for zsh and fish'],
  ],
  'Exit codes': [
    ['0', 'shut down after SIGTERM or SIGINT'],
    [`${EXIT.general}`, 'port or id already in use, or another failure; check: a problem was found'],
    [`${EXIT.usage}`, 'wrong usage or config'],
    [`${EXIT.crash}`, 'crash'],
  ],
  Signals: [
    ['SIGTERM, SIGINT', 'drain and exit: clients move to other servers'],
    ['SIGHUP', 'reload config and certificates; connections stay open'],
  ],
  Environment: [
    ['MESH_CHAT_SECRET', 'shared secret of all servers, instead of secretFile'],
    ['MESH_CHAT_BACKBONE', 'NATS servers, instead of --backbone'],
    ['MESH_CHAT_PREVIOUS_SECRET', 'instead of previousSecretFile'],
  ],
  Files: [
    ['config.json', 'in the working folder, else in the package, with'],
    ['  secretFile', 'the shared secret; private (chmod 600)'],
    ['  previousSecretFile', 'the secret before a change; private'],
    ['  tokenKeyFile', 'the key for tokens, with auth: token; private'],
    ['  tokenAudience', 'aud that tokens must have; tokenIssuer: their iss'],
    ['  tls.cert, tls.key, tls.ca', 'certificate, private key and CA, as PEM'],
  ],
})

/** The text after the options of `mesh-chatd check --help`. */
export const CHECK_HELP = helpText({
  Checks: [
    ['config', 'its fields and files, and whether its servers would start'],
    ['servers', 'whether each other server answers, and has the same secret and auth;'],
    ['', 'its certificate, round-trip time and clock'],
    ['backbone', 'if the config names one: whether NATS is reachable'],
  ],
  'Exit codes': [
    ['0', 'no problem; with --id: other servers may not run yet (warn) while'],
    ['', 'this one does not run either'],
    [`${EXIT.general}`, 'a server is unreachable or has a problem'],
    [`${EXIT.usage}`, 'wrong usage or config; no server was contacted'],
  ],
})
