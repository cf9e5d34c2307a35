/** What changed in a plugin's sources, for people who are to say yes to it. */
import type { SourceDiff } from '../registry/source-diff.ts'
import type { Style, Terminal } from './terminal.ts'

const SIGNS = { added: '+', removed: '-', changed: '~' } as const
const STYLES: readonly (readonly [start: RegExp, style: Style])[] = [
  [/^(\+\+\+|---) /, 'bold'],
  [/^@@ /, 'cyan'],
  [/^\+/, 'green'],
  [/^-/, 'red'],
]

/** Files, then the diff, beside whatever the command itself prints. */
export function tellSources(terminal: Terminal, sources: SourceDiff | null): void {
  if (sources === null)
    return terminal.say(
      'What changed in its sources cannot be shown: those that were granted are not kept, or it is new.',
    )
  if (sources.files.length === 0) return terminal.say('its sources are the same; the hub bundles them otherwise')
  terminal.say('changed files:')
  for (const { path, change, added, removed } of sources.files)
    terminal.say(`  ${SIGNS[change]} ${path} (+${added} -${removed})`)
  terminal.say('')
  for (const line of sources.text.split('\n')) {
    const style = STYLES.find(([start]) => start.test(line))?.[1]
    terminal.note(style === undefined ? line : terminal.paint(style, line))
  }
  if (!sources.isWhole) terminal.say('There is more than fits here: compare the folder with the version you know.')
}

/** As the API has it. */
export const sourcesJson = (sources: SourceDiff | null): object | null =>
  sources === null ? null : { files: sources.files, diff: sources.text, whole: sources.isWhole }
