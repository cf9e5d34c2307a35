/** Tables, colours and bars: for people on a terminal, plain everywhere else. */
import { expect, it } from 'vitest'
import type { Output } from '../../core/cli/terminal.ts'
import { Terminal } from '../../core/cli/terminal.ts'

function screen(isTTY: boolean, color = true): { terminal: Terminal; out: string[]; err: string[] } {
  const out: string[] = []
  const err: string[] = []
  const stream = (lines: string[]): Output => ({ isTTY, write: (text) => lines.push(text) })
  return { terminal: new Terminal({ out: stream(out), err: stream(err), color }), out, err }
}

it('a table is as wide as its widest cell, and control characters in data are dropped', () => {
  const { terminal, out } = screen(false)
  terminal.table(
    ['id', 'why'],
    [
      ['a', 'x'.repeat(100)],
      ['long-id', 'two\nlines\u0007'],
      ['b', null],
    ],
  )
  expect(out.join('')).toBe(
    `ID       WHY\na        ${'x'.repeat(100)}\nlong-id  two lines \nb        -\n`.replace('lines \n', 'lines\n'),
  )
})

it('on a terminal long cells are cut and headings are bold, unless NO_COLOR', () => {
  const { terminal, out } = screen(true)
  terminal.table(['id'], [['x'.repeat(100)]])
  expect(out[0]).toBe('\u001b[1mID\u001b[22m\n')
  expect(out[1]).toBe(`${'x'.repeat(59)}…\n`)
  const plain = screen(true, false)
  plain.terminal.table(['id'], [['a']])
  expect(plain.out[0]).toBe('ID\n')
})

it('no escape of a stranger reaches the terminal, whichever way it is written; our own colours do', () => {
  const evil = 'a\u001b[2J\u001b]0;owned\u0007\u009b31mb\u0090q\u007f\rc'
  const { terminal, out, err } = screen(true)
  terminal.table(['id', 'state'], [[evil, terminal.paint('red', evil)]])
  terminal.line(evil, terminal.paint('green', evil), 'two\nlines')
  terminal.json({ evil })
  terminal.say(evil)
  terminal.progress(evil).set(0.5)
  expect(JSON.parse(out[3] ?? '')).toEqual({ evil })
  // oxlint-disable-next-line no-control-regex -- these are ours
  const ours = /\u001b\[(?:1|22|31|32|39)m|\r?\u001b\[2K|\n/g
  // oxlint-disable-next-line no-control-regex -- none may be left
  for (const text of [...out, ...err]) expect(text.replaceAll(ours, '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/)
  expect(out[1]).toBe('a [2J ]0;owned 31mb q c  \u001b[31ma [2J ]0;owned 31mb q c\u001b[39m\n')
  expect(out[2]).toContain('two\nlines')
  const plain = screen(false)
  plain.terminal.line(plain.terminal.paint('red', evil))
  expect(plain.out).toEqual(['a [2J ]0;owned 31mb q c\n'])
})

it('an empty list says so on stderr and prints nothing', () => {
  const { terminal, out, err } = screen(false)
  terminal.table(['id'], [])
  expect([out, err]).toEqual([[], ['(none)\n']])
})

it('a bar moves on a terminal only, and is taken away', () => {
  const { terminal, err } = screen(true)
  const bar = terminal.progress('backing up')
  bar.set(0.5)
  bar.set(0.501)
  bar.set(0.501, 'moving events')
  bar.set(7)
  bar.done()
  expect(err).toEqual([
    `\r\u001b[2Kbacking up [${'#'.repeat(15)}${'.'.repeat(15)}] 50 %`,
    `\r\u001b[2Kbacking up [${'#'.repeat(15)}${'.'.repeat(15)}] 50 %  moving events`,
    `\r\u001b[2Kbacking up [${'#'.repeat(30)}] 100 %`,
    '\r\u001b[2K',
  ])
  const pipe = screen(false)
  pipe.terminal.progress('backing up').set(0.5)
  expect(pipe.err).toEqual(['backing up ...\n'])
})
