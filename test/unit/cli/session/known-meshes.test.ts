/** The pins of meshes: lookups, meetings, forgetting, and a file that several processes change or a person has damaged. */
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { KnownMeshes } from '../../../../cli/session/known-meshes.ts'
import type { MetMesh } from '../../../../cli/session/mesh-list.ts'
import { PUBLIC_MESH_KEY } from '../../../../src/protocol/proofs/mesh-identity.ts'
import { keyNamed } from '../../../support/simulation/plain-identity.ts'
import { stateFolderPerTest } from '../state-folder.ts'

const file = stateFolderPerTest()
const pinFile = () => file('known-meshes.json')
const [A, B, C] = ['http://10.0.0.1:3001', 'http://10.0.0.2:3001', 'https://chat.example.com']
const [ONE, OTHER] = [keyNamed('one'), keyNamed('other')]
const met = (key: string | undefined, origin = A, mode: MetMesh['mode'] = 'open'): MetMesh => ({ key, mode, origin })
const foldersAndKeys = () => KnownMeshes.onDisk().meshes.map(({ folder, key }) => [folder, key])

beforeEach(() => mkdirSync(dirname(pinFile()), { recursive: true }))

describe('a meeting', () => {
  test('a first attempt adds the mesh without a key, and the first meeting pins key and mode', () => {
    const pins = KnownMeshes.onDisk()
    const mesh = pins.findOrAdd([`${A}/`, B])
    expect(mesh).toMatchObject({ folder: '10.0.0.1-3001', origins: [A] })
    expect(pins.isRecorded(mesh)).toBe(true)
    expect(pins.meet(mesh.folder, met(ONE)).result).toBe('new')
    expect(pins.meet(mesh.folder, met(ONE)).result).toBe('known')
    pins.addOrigin(mesh, B)
    const again = KnownMeshes.onDisk()
    expect(again.find(B)).toMatchObject({ folder: '10.0.0.1-3001', key: ONE, mode: 'open', origins: [A, B] })
    expect(again.findOrAdd([C, B]).folder).toBe('10.0.0.1-3001')
    expect(statSync(pinFile()).mode & 0o777).toBe(0o600)
    expect(readdirSync(dirname(pinFile())).sort()).toEqual(['known-meshes.json', 'known-meshes.json.backup', 'meshes'])
  })

  test('another address of a known mesh is merged into it, also for a process that learns it later', () => {
    const pins = KnownMeshes.onDisk()
    const first = pins.findOrAdd([A])
    pins.meet(first.folder, met(ONE))
    const second = pins.findOrAdd([B])
    const later = KnownMeshes.onDisk()
    const expected = { result: 'same', mergedFolder: second.folder, mesh: { folder: first.folder, origins: [A, B] } }
    expect(pins.meet(second.folder, met(ONE, B))).toMatchObject(expected)
    expect(later.meet(second.folder, met(ONE, B))).toMatchObject(expected)
    expect(KnownMeshes.onDisk().meshes).toHaveLength(1)
    expect(KnownMeshes.onDisk().meshes[0]?.merged).toEqual([second.folder])
    // Folders that were merged are not used again.
    later.forget(B, false)
    expect(later.findOrAdd([B]).folder).toBe(`${second.folder}-2`)
  })

  test('an origin stays with its mesh when another mesh claims it', () => {
    const pins = KnownMeshes.onDisk()
    pins.meet(pins.findOrAdd([A]).folder, met(ONE))
    const other = pins.findOrAdd([B])
    pins.meet(other.folder, met(OTHER, B))
    pins.addOrigin(other, A)
    expect(pins.find(A)?.key).toBe(ONE)
    expect(pins.find(B)?.key).toBe(OTHER)
  })

  test('a rotated secret moves the pin; a secret after none, and a key after servers of 0.1, are new proofs', () => {
    const pins = KnownMeshes.onDisk()
    const { folder } = pins.findOrAdd([A])
    expect(pins.meet(folder, met(undefined)).result).toBe('new')
    expect(pins.meet(folder, met(undefined)).result).toBe('known')
    expect(pins.meet(folder, met(PUBLIC_MESH_KEY)).result).toBe('proven')
    expect(pins.meet(folder, met(ONE)).result).toBe('proven')
    expect(pins.meet(folder, met(OTHER)).result).toBe('rotated')
    expect(foldersAndKeys()).toEqual([[folder, OTHER]])
    // Servers that prove only one of these are left.
    expect(KnownMeshes.onDisk().find(A)?.former).toEqual([PUBLIC_MESH_KEY, ONE])
    expect(pins.meet(folder, met(ONE)).mesh.former).toEqual([PUBLIC_MESH_KEY, OTHER])
  })

  test('meshes without a secret are one mesh per mode on this machine, and one per address elsewhere', () => {
    const pins = KnownMeshes.onDisk()
    const meet = (origin: string, mode: MetMesh['mode']) =>
      pins.meet(pins.findOrAdd([origin]).folder, met(PUBLIC_MESH_KEY, origin, mode)).mesh.folder
    expect(meet('http://127.0.0.1:3001', 'open')).toBe('127.0.0.1-3001')
    expect(meet('http://127.0.0.1:3002', 'open')).toBe('127.0.0.1-3001')
    expect(meet('http://[::1]:3003', 'open')).toBe('127.0.0.1-3001')
    expect(meet('http://127.0.0.1:3004', 'key')).toBe('127.0.0.1-3004')
    expect(meet(A, 'open')).toBe('10.0.0.1-3001')
    expect(meet(B, 'open')).toBe('10.0.0.2-3001')
  })
})

describe('forgetting', () => {
  test('a forgotten origin is met for the first time, with an empty folder; the mesh stays listed', () => {
    const pins = KnownMeshes.onDisk()
    const { folder } = pins.findOrAdd([A])
    pins.meet(folder, met(ONE))
    expect(pins.forget(A, false)?.folder).toBe(folder)
    expect(pins.forget(A, false)).toBeUndefined()
    const next = KnownMeshes.onDisk().findOrAdd([A])
    expect(next).toMatchObject({ folder: `${folder}-2`, origins: [A] })
    expect(next.key).toBeUndefined()
    expect(foldersAndKeys()).toEqual([
      [folder, ONE],
      [`${folder}-2`, undefined],
    ])
    // The old mesh shows up again at the address.
    expect(KnownMeshes.onDisk().meet(next.folder, met(ONE)).mesh.folder).toBe(folder)
  })

  test('with keepHistory the next mesh at the origin gets the folder', () => {
    const pins = KnownMeshes.onDisk()
    const { folder } = pins.findOrAdd([A])
    pins.meet(folder, met(ONE, A, 'key'))
    pins.forget(A, true)
    expect(KnownMeshes.onDisk().find(A)).toMatchObject({ folder, origins: [A] })
    expect(KnownMeshes.onDisk().meet(folder, met(OTHER))).toMatchObject({ result: 'new', mesh: { mode: 'open' } })
  })
})

describe('lost pins', () => {
  test('a deleted file is made again from the folders, so that another mesh at the address is noticed', () => {
    const pins = KnownMeshes.onDisk()
    const mesh = pins.findOrAdd([A])
    pins.meet(mesh.folder, met(ONE))
    pins.addOrigin(mesh, B)
    for (const name of ['known-meshes.json', 'known-meshes.json.backup']) rmSync(file(name))
    expect(KnownMeshes.onDisk().findOrAdd([B])).toMatchObject({
      folder: mesh.folder,
      key: ONE,
      mode: 'open',
      origins: [A, B],
    })
    // The pin is in the file again.
    rmSync(file(`meshes/${mesh.folder}/mesh.json`))
    expect(KnownMeshes.onDisk().find(A)?.key).toBeUndefined()
    expect(KnownMeshes.onDisk().meshes).toEqual([])
  })

  test('a folder with files of an unknown mesh is not given to another mesh', () => {
    mkdirSync(file('meshes/10.0.0.1-3001/users/Anna-1'), { recursive: true })
    writeFileSync(file('meshes/10.0.0.1-3001/users/Anna-1/history.jsonl'), '')
    expect(KnownMeshes.onDisk().findOrAdd([A]).folder).toBe('10.0.0.1-3001-2')
  })

  test('a mesh takes another folder if its folder belongs to another mesh', () => {
    const pins = KnownMeshes.onDisk()
    const { folder } = pins.findOrAdd([A])
    pins.meet(folder, met(ONE))
    const text = readFileSync(pinFile(), 'utf8').replaceAll(ONE, OTHER)
    for (const name of ['known-meshes.json', 'known-meshes.json.backup']) writeFileSync(file(name), text)
    expect(KnownMeshes.onDisk().find(A)).toMatchObject({ folder: `${folder}-2`, key: OTHER })
  })

  test('a rotated secret, a forgotten key and a merged mesh remove the old pin', () => {
    const pins = KnownMeshes.onDisk()
    const { folder } = pins.findOrAdd([A])
    pins.meet(folder, met(ONE))
    pins.meet(folder, met(OTHER))
    expect(KnownMeshes.onDisk().find(A)).toMatchObject({ folder, key: OTHER, former: [ONE] })
    pins.forget(A, true)
    expect(KnownMeshes.onDisk().find(A)?.key).toBeUndefined()
    pins.meet(folder, met(ONE))
    const second = pins.findOrAdd([B])
    pins.meet(second.folder, met(OTHER, B))
    pins.forget(B, true)
    expect(pins.meet(second.folder, met(ONE, B)).result).toBe('same')
    for (const name of ['known-meshes.json', 'known-meshes.json.backup']) rmSync(file(name))
    expect(foldersAndKeys()).toEqual([[folder, ONE]])
  })
})

describe('the file', () => {
  test('changes of several processes are merged', () => {
    const [one, other] = [KnownMeshes.onDisk(), KnownMeshes.onDisk()]
    const first = one.findOrAdd([A])
    expect(other.findOrAdd([A]).folder).toBe(first.folder)
    other.findOrAdd([B])
    one.meet(first.folder, met(ONE))
    expect(foldersAndKeys()).toEqual([
      ['10.0.0.1-3001', ONE],
      ['10.0.0.2-3001', undefined],
    ])
  })

  test('fields of a later version are kept', () => {
    KnownMeshes.onDisk().findOrAdd([A])
    const [mesh] = JSON.parse(readFileSync(pinFile(), 'utf8'))
    writeFileSync(pinFile(), JSON.stringify([{ ...mesh, color: 'red' }]))
    const pins = KnownMeshes.onDisk()
    pins.meet(mesh.folder, met(ONE))
    expect(JSON.parse(readFileSync(pinFile(), 'utf8'))).toMatchObject([{ color: 'red', key: ONE }])
  })

  test('a damaged file is never overwritten, and the last pins apply', () => {
    const before = KnownMeshes.onDisk()
    before.meet(before.findOrAdd([A]).folder, met(ONE))
    const valid = JSON.parse(readFileSync(pinFile(), 'utf8'))
    const entry = (more: object) => JSON.stringify([...valid, { folder: 'x', origins: [B], since: '', ...more }])
    const damaged: [content: string, problem: RegExp][] = [
      ['[{"folder":', /known-meshes\.json:1:12 is not JSON: .*; correct it, or delete it/],
      [`${JSON.stringify(valid, undefined, 2).slice(0, -1)}x`, /known-meshes\.json(:\d+:\d+)? is not JSON/],
      ['', /:1:1 is not JSON/],
      ['{}', /known-meshes\.json: the file: /],
      [entry({ key: 'short' }), /entry 2, key: is not a public key/],
      [entry({ folder: '../../etc' }), /entry 2, folder: is not the name of a folder/],
      [entry({ mode: 'none' }), /entry 2, mode: /],
      [entry({ origins: [`${B}/path`] }), /entry 2, origins\.0: is not an origin/],
      [entry({ origins: [A] }), new RegExp(`entry 2: has the origin ${A} of entry 1`)],
      [entry({ key: ONE }), /entry 2: has the key .* of entry 1/],
      [entry({ folder: '10.0.0.1-3001' }), /entry 2: has the folder .* of entry 1/],
    ]
    for (const [content, problem] of damaged) {
      writeFileSync(pinFile(), content)
      const pins = KnownMeshes.onDisk()
      expect(pins.problem, content).toMatch(problem)
      expect(pins.find(A)).toMatchObject({ key: ONE })
      const mesh = pins.findOrAdd([C])
      expect(pins.isRecorded(mesh)).toBe(false)
      expect(pins.meet(mesh.folder, met(OTHER, C)).result).toBe('new')
      pins.forget(A, false)
      expect(readFileSync(pinFile(), 'utf8')).toBe(content)
    }
    rmSync(pinFile())
    expect(KnownMeshes.onDisk().meshes).toMatchObject([{ key: ONE }])
  })

  test('a file that is damaged while the program runs is not overwritten either', () => {
    const pins = KnownMeshes.onDisk()
    const { folder } = pins.findOrAdd([A])
    writeFileSync(pinFile(), 'edited by hand')
    expect(pins.meet(folder, met(ONE)).result).toBe('new')
    expect(pins.problem).toContain('is not JSON')
    expect(readFileSync(pinFile(), 'utf8')).toBe('edited by hand')
    expect(pins.find(A)?.key).toBe(ONE)
  })

  test('a folder that cannot be written keeps the pins in memory, and says so', () => {
    const pins = KnownMeshes.onDisk()
    rmSync(dirname(pinFile()), { recursive: true })
    const mesh = pins.findOrAdd([A])
    expect(pins.meet(mesh.folder, met(ONE)).result).toBe('new')
    expect(pins.find(A)?.key).toBe(ONE)
    expect(pins.isRecorded(mesh)).toBe(false)
    expect(pins.problem).toMatch(/cannot write .*known-meshes\.json: ENOENT/)
  })

  test('pins in memory are like those on disk, and touch no file', () => {
    const pins = KnownMeshes.inMemory()
    const mesh = pins.findOrAdd([A])
    expect(pins.meet(mesh.folder, met(ONE)).result).toBe('new')
    expect(pins.find(A)?.key).toBe(ONE)
    expect(pins.isRecorded(mesh)).toBe(false)
    expect(pins.problem).toBeUndefined()
    expect(readdirSync(dirname(pinFile()))).toEqual([])
  })
})

test('folder names come from the address, and cannot lead elsewhere', () => {
  const pins = KnownMeshes.onDisk()
  const names = [
    'https://a.example',
    'http://a.example',
    'http://[::1]:3001',
    'http://A.EXAMPLE:80',
    `http://${'x'.repeat(63)}.${'y'.repeat(63)}`,
  ]
  expect(names.map(url => pins.findOrAdd([url]).folder)).toEqual([
    'a.example-443',
    'a.example-80',
    '1-3001',
    'a.example-80',
    'x'.repeat(60),
  ])
})
