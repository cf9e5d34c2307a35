/** The hub's log for somebody who watches it: time, level, whose it is, where in their file, what, and the ids. */
import type { LogSink } from '../observe/log.ts'
import type { Style, Terminal } from './terminal.ts'
import { oneLine } from './terminal.ts'

type Fields = Readonly<Record<string, unknown>>

const LEVELS: Readonly<Record<string, Style>> = { debug: 'dim', info: 'cyan', warn: 'yellow', error: 'red' }
/** What the line itself has a place for. */
const SHOWN = new Set([
  'level',
  'time',
  'msg',
  'installation',
  'plugin',
  'at',
  'source',
  'fields',
  'event',
  'delivery',
  'err',
])

/** Takes lines of JSON, as the log writes them; one that is none is shown as it is. */
export function prettyLog(terminal: Pick<Terminal, 'note'>): LogSink {
  return {
    write: (text) => {
      for (const line of text.split('\n')) {
        if (line === '') continue
        const fields = parsed(line)
        if (fields === null) terminal.note(line)
        else show(terminal, fields)
      }
    },
  }
}

function show(terminal: Pick<Terminal, 'note'>, fields: Fields): void {
  const { level, time, msg, installation, plugin, at, source } = texts(fields)
  const ids = [fields['event'], fields['delivery']].filter((id) => typeof id === 'string')
  const more = {
    ...Object.fromEntries(Object.entries(fields).filter(([name]) => !SHOWN.has(name))),
    ...(typeof fields['fields'] === 'object' ? fields['fields'] : {}),
  }
  const words = [
    ...(installation || plugin ? [{ style: 'bold' as const, text: installation || plugin }, ' '] : []),
    ...(at ? [{ style: 'cyan' as const, text: at }, ' '] : []),
    oneLine(msg),
    ...(Object.keys(more).length > 0 ? [{ style: 'dim' as const, text: ` ${oneLine(JSON.stringify(more))}` }] : []),
    ...(ids.length > 0 ? [{ style: 'dim' as const, text: ` ${ids.join(' ')}` }] : []),
  ]
  terminal.note(
    { style: 'dim', text: timeOfDay(time) },
    ' ',
    { style: LEVELS[level] ?? 'dim', text: level.padEnd(5) },
    ' ',
    ...words,
  )
  for (const line of markedLine(source, at)) terminal.note({ style: 'dim', text: `      ${line}` })
  for (const line of stackOf(fields['err'])) terminal.note({ style: 'dim', text: `      ${line}` })
}

/** The line that is wrong, with a mark below the column that the place ends in. */
function markedLine(source: string, at: string): readonly string[] {
  if (source === '') return []
  const column = Number(/:(\d+)$/.exec(at)?.[1] ?? 1)
  return [oneLine(source.replaceAll('\t', ' ')), `${' '.repeat(column - 1)}^`]
}

/** The way to an error, in the plugin's own files where they are known; else only what it says. */
function stackOf(err: unknown): readonly string[] {
  if (typeof err !== 'object' || err === null) return []
  const { message, stack, cause } = err as Fields
  const own = typeof cause === 'object' && cause !== null ? (cause as Fields)['stack'] : undefined
  const text = typeof own === 'string' ? own : typeof stack === 'string' ? stack : message
  return typeof text === 'string' ? text.split('\n').map((line) => oneLine(line)) : []
}

const timeOfDay = (time: string): string => new Date(time).toTimeString().slice(0, 8) + time.slice(19, 23)

const texts = (fields: Fields) =>
  Object.fromEntries(
    (['level', 'time', 'msg', 'installation', 'plugin', 'at', 'source'] as const).map((name) => [
      name,
      typeof fields[name] === 'string' ? fields[name] : '',
    ]),
  ) as Record<'level' | 'time' | 'msg' | 'installation' | 'plugin' | 'at' | 'source', string>

function parsed(line: string): Fields | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Fields) : null
  } catch {
    return null
  }
}
