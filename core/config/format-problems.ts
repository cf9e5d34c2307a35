/** Problems as people and machines read them. */
import { relative } from 'node:path'
import type { ConfigProblem } from './config.ts'

/** `manifold.yaml:7:14`; as seen from the folder `from`, where the file is in it. */
export function formatPlace({ file, line, column }: ConfigProblem['place'], from: string | null = null): string {
  const shown = from === null ? file : relative(from, file) || file
  return `${shown.startsWith('..') ? file : shown}:${line}:${column}`
}

/** `manifold.yaml:7:14 installations[0].use there is no plugin "slak" → did you mean "slack"?` */
export function formatProblem(problem: ConfigProblem, from: string | null = null): string {
  const path = problem.path === '' ? '' : `${problem.path} `
  return `${formatPlace(problem.place, from)} ${path}${problem.message}${problem.hint === null ? '' : ` → ${problem.hint}`}`
}
