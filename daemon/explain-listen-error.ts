/** How the caller names the options of a server, for errors. */
interface ListenOptionNames {
  host: string
  port: string
  /** The port for links of a worker. */
  linkPort: string
}

/**
 * An error that says how to fix a failed listen; other errors as they are.
 * @param port for clients; another port in the error is the one for links
 */
export function explainListenError(
  error: NodeJS.ErrnoException & { port?: number },
  { host, port }: { host: string; port: number },
  names: ListenOptionNames,
): Error {
  const option = error.port === port ? names.port : names.linkPort
  switch (error.code) {
    case 'EADDRINUSE':
      return new Error(`port ${error.port} is already in use; choose another with ${option}`, { cause: error })
    case 'EACCES':
      return new Error(`no permission to listen on port ${error.port}; choose one above 1023 with ${option}`, {
        cause: error,
      })
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new Error(`${host} is not an address of this machine; choose another with ${names.host}`, { cause: error })
    default:
      return error
  }
}
