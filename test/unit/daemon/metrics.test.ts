/** The metrics that are made of a server's status. */
import { expect, test } from 'vitest'
import { Metrics, type MetricsInput } from '../../../daemon/admin/metrics.ts'
import type { LinkStatus, ServerStatus } from '../../../src/protocol/status.ts'

const LINK: LinkStatus = { peer: 'server-2', outbound: 'open', inbound: false, rtt: 2.5, users: 3, held: 4 }
const STATUS: ServerStatus = {
  server: 'server-1',
  incarnation: 'i',
  uptime: 1_000,
  draining: false,
  clockAhead: 90_500,
  users: 5,
  connections: 6,
  views: 3,
  online: 8,
  slow: 1,
  claims: 9,
  rooms: 7,
  memberships: 15,
  roomAccepted: 4,
  topRooms: [{ room: '#ops', members: 4, local: 2 }],
  accepted: 10,
  refused: 11,
  forwarded: 12,
  delivered: 13,
  links: [LINK],
}
const input = (status: Partial<ServerStatus> = {}): MetricsInput => ({
  version: '1.2.3',
  status: { ...STATUS, ...status },
  cutOff: { client: 20, peer: 21 },
  malformed: { client: 22, peer: 23 },
  lostLogLines: 24,
})

async function scrape(metrics: Metrics, reading: MetricsInput): Promise<string[]> {
  const text = await metrics.scrape(reading)
  return text.split('\n').filter(line => line.startsWith('mesh_chat_'))
}

test('a scrape gives one sample per value, with times in seconds', async () => {
  expect((await scrape(new Metrics(), input())).sort()).toEqual(
    [
      'mesh_chat_server_info{server="server-1",version="1.2.3"} 1',
      'mesh_chat_draining 0',
      'mesh_chat_users 5',
      'mesh_chat_connections 6',
      'mesh_chat_roster_views 3',
      'mesh_chat_online_users 8',
      'mesh_chat_remembered_claims 9',
      'mesh_chat_rooms 7',
      'mesh_chat_room_memberships 15',
      'mesh_chat_slow_connections 1',
      'mesh_chat_messages_accepted_total 10',
      'mesh_chat_room_messages_accepted_total 4',
      'mesh_chat_messages_refused_total 11',
      'mesh_chat_messages_forwarded_total 12',
      'mesh_chat_messages_delivered_total 13',
      'mesh_chat_clock_ahead_seconds 90.5',
      'mesh_chat_link_up{peer="server-2",direction="outbound"} 1',
      'mesh_chat_link_up{peer="server-2",direction="inbound"} 0',
      'mesh_chat_link_rtt_seconds{peer="server-2"} 0.0025',
      'mesh_chat_peer_users{peer="server-2"} 3',
      'mesh_chat_held_messages{peer="server-2"} 4',
      'mesh_chat_connections_cut_off_total{side="client"} 20',
      'mesh_chat_connections_cut_off_total{side="peer"} 21',
      'mesh_chat_malformed_payloads_total{side="client"} 22',
      'mesh_chat_malformed_payloads_total{side="peer"} 23',
      'mesh_chat_log_lines_lost_total 24',
    ].sort(),
  )
})

test('counters do not add up over scrapes, and a forgotten peer leaves no series', async () => {
  const metrics = new Metrics()
  await scrape(metrics, input())
  const lines = await scrape(metrics, input({ links: [], accepted: 11 }))
  expect(lines).toContain('mesh_chat_messages_accepted_total 11')
  expect(lines.filter(line => line.includes('server-2'))).toEqual([])
})

test('a closed link has no round-trip time', async () => {
  const { rtt: _, ...closed } = LINK
  const lines = await scrape(new Metrics(), input({ links: [{ ...closed, outbound: 'waiting' }] }))
  expect(lines).toContain('mesh_chat_link_up{peer="server-2",direction="outbound"} 0')
  expect(lines.filter(line => line.startsWith('mesh_chat_link_rtt'))).toEqual([])
})

test('two servers in one program have separate metrics', async () => {
  const [one, two] = [new Metrics(), new Metrics()]
  await scrape(one, input({ users: 1 }))
  expect(await scrape(two, input({ users: 2 }))).toContain('mesh_chat_users 2')
  expect(await scrape(one, input({ users: 3 }))).toContain('mesh_chat_users 3')
})
