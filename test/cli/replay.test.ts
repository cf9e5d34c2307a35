/** `manifold dead-letters replay`: asks until there is no more, and only for what was counted. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { tempDir } from '../support/temp.ts'
import { runCli } from './run-cli.ts'

test('a replay goes on where each request ended, from where the count began', async () => {
  await using dir = await tempDir('cli')
  const bodies: unknown[] = []
  const answers = [
    { dry_run: true, matched: 12, replayed: 0, next_cursor: 'start' },
    { dry_run: false, matched: 7, replayed: 7, next_cursor: 'on' },
    // Nothing there that matched, and yet more to look at.
    { dry_run: false, matched: 0, replayed: 0, next_cursor: 'further' },
    { dry_run: false, matched: 5, replayed: 5, next_cursor: null },
  ]
  const server = createServer((request, response) => {
    void json(request).then((body) => {
      bodies.push(body)
      response.end(JSON.stringify(answers[bodies.length - 1]))
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const replay = (...args: readonly string[]) =>
      runCli(dir.path, ['dead-letters', 'replay', ...args, '--cause', 'c1', '--json', '--url', url, '--key', 'k'])
    const real = await replay('--yes')
    expect([real.code, JSON.parse(real.stdout)], real.stderr).toEqual([
      0,
      { dry_run: false, matched: 12, replayed: 12 },
    ])
    const filter = { cause: 'c1', since: '1970-01-01T00:00:00.000Z', states: ['dead'] }
    expect(bodies).toEqual([
      { ...filter, dry_run: true },
      { ...filter, cursor: 'start' },
      { ...filter, cursor: 'on' },
      { ...filter, cursor: 'further' },
    ])
    bodies.length = 0
    const dry = await replay('--dry-run')
    expect(JSON.parse(dry.stdout)).toEqual({ dry_run: true, matched: 12, replayed: 0 })
    expect(bodies).toHaveLength(1)
  } finally {
    server.closeAllConnections()
    server.close()
  }
})
