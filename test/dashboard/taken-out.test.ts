/** What people take out of a page harms nobody where they put it: a request pasted into a shell, a list opened by a spreadsheet. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { csvLine } from '../../core/dashboard/parts/csv.ts'
import { curl } from '../../core/dashboard/parts/curl.ts'
import { startReceiver } from '../support/receiver.ts'
import { tempDir } from '../support/temp.ts'

const run = promisify(execFile)

const exchange = {
  method: 'POST',
  url: '',
  request_headers: {},
  request_body: null,
  status: 200,
  response_headers: {},
  response_body: '',
  truncated: false,
  duration_ms: 5,
  error: null,
}

test('a request as curl sends what it was, and no file of whoever pastes it', async () => {
  await using dir = await tempDir('curl')
  await using receiver = await startReceiver()
  const secret = dir.file('secret.txt')
  await writeFile(secret, 'x-secret: mine')
  const sent = [
    { body: `@${secret}`, headers: { 'content-type': 'text/plain', 'x-empty': '', 'x-quoted': `it's $(id) "so"` } },
    { body: '{"a":1}', headers: { [`@${secret}`]: '' } },
    { body: null, headers: { accept: 'text/plain' } },
  ]
  for (const { headers, body } of sent) {
    const of = { ...exchange, url: `${receiver.url}/in?a=[1-2]&b={x,y}`, request_headers: headers, request_body: body }
    await run('sh', ['-c', curl(of)])
  }
  const { requests } = receiver
  expect(requests.map(({ method, path, body }) => [method, path, body])).toEqual(
    sent.map(({ body }) => ['POST', '/in?a=[1-2]&b={x,y}', body ?? '']),
  )
  expect(requests[0]?.headers).toMatchObject(sent[0]?.headers ?? {})
  expect(requests[1]?.headers).not.toHaveProperty('content-type')
  expect(JSON.stringify(requests)).not.toContain('mine')
})

/** A file's cells as a spreadsheet with this separator has them: a quote counts where a cell begins, and nowhere else. */
function cells(text: string, separator: string): readonly string[] {
  const found: string[] = []
  for (let at = 0; at < text.length; at += 1) {
    let cell = ''
    if (text[at] === '"') {
      const end = /"(?!")/.exec(text.slice(at + 1).replaceAll('""', '\0\0'))?.index ?? text.length
      cell = text.slice(at + 1, at + 1 + end).replaceAll('""', '"')
      at += end + 2
    }
    for (; at < text.length && text[at] !== separator && text[at] !== '\n' && text[at] !== '\r'; at += 1)
      cell += text[at]
    found.push(cell)
  }
  return found
}

test.each([',', ';', '\t'])('no cell of a file is a formula, separated by %j', (separator) => {
  const signs = ['=', '+', '-', '@', '\uFF1D']
  const before = ['', ' ', '\n', '\r\n', '\t', '"', 'a;', 'a; ', 'a\t', 'a\n', 'a;"', '";', '";"', '\n"";;"', 'a,']
  for (const sign of signs)
    for (const each of before) {
      const text = `${each}${sign}cmd|' /C calc'!A1`
      const line = csvLine(['first', text, `"${text};`, text])
      expect([line, cells(line, separator).filter((cell) => /^[\s"]*[=+\-@\uFF1D]/.test(cell))]).toEqual([line, []])
    }
  expect(cells(csvLine(['a,b', 'say "so"', 'one\ntwo', -1, 0.5, true, null]), ',')).toEqual([
    'a,b',
    'say "so"',
    'one\ntwo',
    '-1',
    '0.5',
    'true',
    '',
    '',
  ])
})
