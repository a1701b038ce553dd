#!/usr/bin/env node
import '../src/programs/require-node.ts'

await import('./start-program.ts')
