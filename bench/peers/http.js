// Node's http: an answer.  node http.js PORT
const server = require('http').createServer((request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 13, Server: 'node' })
  response.end('Hello, World!')
})
server.listen(Number(process.argv[2]), '127.0.0.1')
