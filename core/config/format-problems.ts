/** Problems as people and machines read them. */
import { relative } from 'node:path'
import type { ConfigProblem } from './config.ts'

/** `manifold.yaml:7:14 installations[0].use there is no plugin "slak" → did you mean "slack"?` */
export function formatProblem(problem: ConfigProblem, from: string | null = null): string {
  const { file, line, column } = problem.place
  const shown = from === null ? file : relative(from, file) || file
  const named = shown.startsWith('..') ? file : shown
  const path = problem.path === '' ? '' : `${problem.path} `
  return `${named}:${line}:${column} ${path}${problem.message}${problem.hint === null ? '' : ` → ${problem.hint}`}`
}
