/**
 * A plain Socket.IO 4.8 server that pushes the whole sorted list to everyone at each change, as the original does: one
 * emit per client, or with `broadcast` as second argument one for all, which Socket.IO 4.8 encodes once.
 */
import { Server } from 'socket.io'

const [, , port, mode] = process.argv
const users = new Set<string>()
const io = new Server({ serveClient: false, perMessageDeflate: false, pingInterval: 5_000, pingTimeout: 60_000 })
const push = () => {
  const payload = { list: [...users].sort() }
  if (mode === 'broadcast') io.emit('update_client', payload)
  else for (const socket of io.of('/').sockets.values()) socket.emit('update_client', payload)
}
io.on('connection', socket => {
  let name: string | undefined
  socket.on('identify', (user: string) => {
    name = user
    users.add(user)
    push()
  })
  socket.on('disconnect', () => {
    if (name !== undefined && users.delete(name)) push()
  })
})
io.listen(Number(port))
