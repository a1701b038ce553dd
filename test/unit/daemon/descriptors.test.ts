import { expect, test } from 'vitest'
import { descriptorFault, divideDescriptors } from '../../../daemon/descriptors.ts'
import { DEFAULT_LIMITS } from '../../../src/protocol/limits.ts'

test('a limit that is too low is named, with what is needed', () => {
  expect(descriptorFault(130)).toBe(
    'the limit of open files is 130, but a server needs at least 256; raise it with ulimit -n, or LimitNOFILE in systemd',
  )
  expect(descriptorFault(300, 50)).toMatch(
    /^the limit of open files is 300, but a server with 50 peers needs at least 428;/,
  )
  for (const [limit, peers] of [
    [256, 0],
    [428, 50],
    [undefined, 9],
  ] as const)
    expect(descriptorFault(limit, peers)).toBeUndefined()
})

test('E17: clients and incoming connections leave descriptors for links and dials', () => {
  const { limits, maxTcpConnections, warning } = divideDescriptors(DEFAULT_LIMITS, 1_024, 3)
  expect(limits).toEqual({ ...DEFAULT_LIMITS, connections: 884 })
  expect(maxTcpConnections).toBe(954)
  expect(warning).toMatch(/at most 884 clients. To accept more, raise it to 50140 for limits.connections \(50000\)/)
})

test('a limit that suffices changes nothing, and one of the config that is off gets one', () => {
  expect(divideDescriptors(DEFAULT_LIMITS, 100_000, 3)).toMatchObject({ limits: DEFAULT_LIMITS, warning: undefined })
  expect(divideDescriptors(DEFAULT_LIMITS, undefined, 3)).toEqual({ limits: DEFAULT_LIMITS })
  expect(divideDescriptors({ ...DEFAULT_LIMITS, connections: 0 }, 1_000, 0).limits.connections).toBe(872)
})
