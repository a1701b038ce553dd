/** A plain Socket.IO 4.8 server that pushes the whole sorted list to everyone at each change, as the original does. */
import { Server } from 'socket.io'

const [, , port] = process.argv
const users = new Set<string>()
const io = new Server({ serveClient: false, perMessageDeflate: false, pingInterval: 5_000, pingTimeout: 60_000 })
const push = () => io.emit('update_client', { list: [...users].sort() })
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
