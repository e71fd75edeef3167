// Node's ws: an echo.  node ws.js PORT
const { WebSocketServer } = require('ws')
const server = new WebSocketServer({ port: Number(process.argv[2]), host: '127.0.0.1' })
server.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
})
