declare module 'socket.io-client-1'
declare module 'socket.io-client-2'
