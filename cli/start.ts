#!/usr/bin/env node
import '../src/programs/command-line/require-node.ts'

await import('./start-program.ts')
