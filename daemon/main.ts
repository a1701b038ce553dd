#!/usr/bin/env node
import '../src/programs/command-line/require-node.ts'

// Before the modules of the program are loaded: with too few descriptors that fails.
const { descriptorFault, descriptorLimit } = await import('./descriptors.ts')
const fault = descriptorFault(descriptorLimit())
if (fault !== undefined) {
  console.error(`mesh-chatd: ${fault}`)
  process.exit(1)
}
await import('./program.ts')
