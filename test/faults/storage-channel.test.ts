/** The main thread's end of a store thread, with threads that fail on purpose. */
import { describe, expect, it } from 'vitest'
import type { HubError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import { Channel } from '../../core/storage/sqlite/channel.ts'

/** A thread that does this with each message. */
function channelOver(onMessage: string): { readonly channel: Channel; readonly fatals: HubError[] } {
  const source = `import { parentPort as port } from 'node:worker_threads'
    const failure = (code, fatal) => ({ code, message: code, fatal, detail: code })
    let seen = 0
    port.on('message', (message) => {
      if (message.kind === 'open') return port.postMessage({ kind: 'ready', notes: [] })
      if (message.kind === 'close') { port.postMessage({ kind: 'closed' }); return port.close() }
      seen += 1
      ${onMessage}
    })`
  const fatals: HubError[] = []
  const entry = new URL(`data:text/javascript,${encodeURIComponent(source)}`)
  const options = {
    name: 'test',
    data: { dir: '', limits: LIMITS },
    onFatal: (error: HubError) => void fatals.push(error),
  }
  return { channel: new Channel(entry, options), fatals }
}

const OK = `port.postMessage({ kind: 'results', values: message.calls.map(({ input }) => input), failures: null })`

describe('store channel', () => {
  it('sends calls made in one turn together, and those made meanwhile as the next group', async () => {
    const { channel } = channelOver(
      `port.postMessage({ kind: 'results', values: message.calls.map(() => [seen, message.calls.length]), failures: null })`,
    )
    await channel.open()
    const first = [channel.call('a', 1), channel.call('a', 2)]
    await new Promise((resolve) => setImmediate(resolve))
    const second = [channel.call('a', 3), channel.call('a', 4), channel.call('a', 5)]
    expect(await Promise.all([...first, ...second])).toEqual([
      [1, 2],
      [1, 2],
      [2, 3],
      [2, 3],
      [2, 3],
    ])
    await channel.close()
  })

  it('rejects everything and says so once when the thread dies', async () => {
    const { channel, fatals } = channelOver('process.exit(1)')
    await channel.open()
    const calls = [channel.call('a', 1), channel.call('a', 2)]
    await new Promise((resolve) => setImmediate(resolve))
    calls.push(channel.call('a', 3))
    for (const call of await Promise.allSettled(calls))
      expect(call).toMatchObject({ status: 'rejected', reason: { code: 'storage_failed' } })
    await expect(channel.call('a', 4)).rejects.toMatchObject({ code: 'storage_failed' })
    expect(fatals).toHaveLength(1)
    await channel.close()
  })

  it('rejects everything and says so once when the thread throws', async () => {
    const { channel, fatals } = channelOver(`throw new Error('bug')`)
    await channel.open()
    await expect(channel.call('a', 1)).rejects.toMatchObject({ code: 'storage_failed' })
    expect(fatals).toHaveLength(1)
    expect(String(fatals[0]?.cause)).toContain('bug')
    await channel.close()
  })

  it('takes a fatal failure as the end: that call and all later ones are refused', async () => {
    const { channel, fatals } = channelOver(
      `port.postMessage({ kind: 'results', values: [], failures: message.calls.map(() => failure('storage_failed', true)) })`,
    )
    await channel.open()
    const first = channel.call('a', 1)
    await new Promise((resolve) => setImmediate(resolve))
    const queued = channel.call('a', 2)
    await expect(first).rejects.toMatchObject({ code: 'storage_failed' })
    await expect(queued).rejects.toMatchObject({ code: 'storage_failed' })
    await expect(channel.call('a', 3)).rejects.toMatchObject({ code: 'storage_failed' })
    expect(fatals).toHaveLength(1)
    await channel.close()
  })

  it('gives each call its own failure', async () => {
    const { channel, fatals } = channelOver(
      `port.postMessage({ kind: 'results', values: [1, undefined, 3], failures: [undefined, failure('conflict', false)] })`,
    )
    await channel.open()
    const settled = await Promise.allSettled([channel.call('a', 1), channel.call('a', 2), channel.call('a', 3)])
    expect(settled).toMatchObject([{ value: 1 }, { reason: { code: 'conflict' } }, { value: 3 }])
    expect(fatals).toEqual([])
    await channel.close()
  })

  it('does not hang others when an input cannot be sent', async () => {
    const { channel, fatals } = channelOver(OK)
    await channel.open()
    await expect(channel.call('a', () => 1)).rejects.toMatchObject({ code: 'internal' })
    expect(await channel.call('a', 7)).toBe(7)
    expect(fatals).toEqual([])
    await channel.close()
    await expect(channel.call('a', 8)).rejects.toMatchObject({ code: 'unavailable' })
  })
})
