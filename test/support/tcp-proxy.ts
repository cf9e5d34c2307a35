/** A wire that a test can cut without either end being told: what was sent is swallowed, and nobody hangs up. */
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

export interface TcpProxy extends AsyncDisposable {
  readonly port: number
  /** Nothing goes through any more; connections stay open at both ends, new ones are taken and lead nowhere. */
  cut(): void
  /** Every connection ends, and whoever comes is sent away, until it heals. */
  hangUp(): void
  /** The next commit on a connection that has carried these bytes gets no answer: its connection ends instead, once. */
  swallowCommitAfter(mark: string): void
  /** New connections go through. Those of the time before and during the cut stay dead, as behind a router that forgot them. */
  heal(): void
}

/** `await using wire = await startTcpProxy({ port })`: leads to that port of this machine. */
export async function startTcpProxy(target: { readonly port: number }): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  const living = new Set<Socket>()
  let isCut = false
  let isHungUp = false
  let mark: string | null = null
  const marked = new Set<Socket>()
  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => {
      sockets.delete(socket)
      living.delete(socket)
      marked.delete(socket)
    })
  }
  const server = createServer({ noDelay: true }, (near) => {
    keep(near)
    if (isHungUp) return void near.destroy()
    // Read and forgotten, so that the sender sees no full buffer either.
    if (isCut) return void near.resume()
    const far = connect({ port: target.port, host: '127.0.0.1', noDelay: true })
    keep(far)
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      living.add(from)
      from.on('data', (bytes: Buffer) => {
        if (mark !== null && from === near && bytes.includes(mark)) marked.add(far)
        if (marked.has(from) && bytes.includes('COMMIT\0')) {
          mark = null
          near.destroy()
          far.destroy()
        } else if (living.has(from)) to.write(bytes)
      })
      from.once('close', () => living.has(from) && to.destroy())
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      isCut = true
      living.clear()
    },
    hangUp: () => {
      isHungUp = true
      for (const socket of sockets) socket.destroy()
    },
    swallowCommitAfter: (bytes) => {
      mark = bytes
    },
    heal: () => {
      isCut = false
      isHungUp = false
    },
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
