/** The texts about meshes: what changed, both keys in words, and the way out. */
import { expect, test } from 'vitest'
import { fingerprint } from '../../../../cli/keys/fingerprint.ts'
import type { Meeting, MetMesh } from '../../../../cli/session/mesh-list.ts'
import { changedKeyText, describeKey, meetingNotice } from '../../../../cli/session/mesh-notices.ts'
import { PUBLIC_MESH_KEY } from '../../../../src/protocol/proofs/mesh-identity.ts'
import { keyNamed } from '../../../support/simulation/plain-identity.ts'

const [ONE, OTHER] = [keyNamed('one'), keyNamed('other')]
const origin = 'http://10.0.0.1:3001'
const mesh = { folder: 'here', origins: [origin], since: '' }
const text = (result: Meeting['result'], key: string | undefined, mode: MetMesh['mode'] = 'open') =>
  meetingNotice({ result, mesh }, { key, mode, origin })?.text

test('a meeting is said with the key in words, or why there is none; a known mesh is not said', () => {
  expect(text('known', ONE)).toBeUndefined()
  expect(text('new', ONE, 'key')).toBe(`First connection to this mesh: its key is ${fingerprint(ONE)} (auth: key)`)
  expect(text('new', PUBLIC_MESH_KEY)).toContain('it has no secret, so its servers prove nothing')
  expect(text('new', undefined)).toContain('runs version 0.1, which cannot prove its mesh')
  expect(text('proven', ONE)).toBe(`The mesh at ${origin} has a key now: ${fingerprint(ONE)}`)
  expect(text('rotated', OTHER)).toContain(`its key is ${fingerprint(OTHER)} now`)
  expect(text('same', ONE)).toBe(
    `${origin} is another server of a mesh that you know (here): your messages from there are here, too`,
  )
})

test('a changed key is said with both keys and the way out; other refusals have their own text', () => {
  const event = {
    type: 'mesh-changed',
    url: `${origin}/`,
    expected: { key: ONE, mode: 'open' },
    actual: { key: OTHER, mode: 'open' },
  } as const
  const said = changedKeyText(event)
  for (const part of [fingerprint(ONE), fingerprint(OTHER), `mesh-chat mesh forget ${origin}`])
    expect(said).toContain(part)
  expect(changedKeyText({ ...event, actual: { key: PUBLIC_MESH_KEY, mode: 'open' } })).toContain(
    describeKey(PUBLIC_MESH_KEY),
  )
  for (const actual of [
    { key: ONE, mode: 'key' },
    { key: undefined, mode: 'open' },
  ] as const) {
    expect(changedKeyText({ ...event, actual })).toBeUndefined()
  }
})
