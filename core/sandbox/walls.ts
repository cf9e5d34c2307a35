/** What a sandbox child tries on purpose when it starts: everything its process must not be able to do. */
import { spawnSync } from 'node:child_process'
import { openSync } from 'node:fs'
import { Worker } from 'node:worker_threads'

/**
 * Names of what is possible and must not be; empty when the walls stand. Every attempt is harmless where it succeeds.
 * Only the permission model's own refusal counts: a file that happens not to be there proves nothing.
 */
export function openWalls(): readonly string[] {
  const attempts: Readonly<Record<string, () => void>> = {
    'read files': () => void openSync('/etc/hostname', 'r'),
    'write files': () => void openSync('/dev/null', 'w'),
    'start processes': () => void spawnSync('/bin/true'),
    'start threads': () => void new Worker('', { eval: true }).terminate(),
  }
  const open = Object.entries(attempts)
    .filter(([, attempt]) => !isRefused(attempt))
    .map(([name]) => name)
  // oxlint-disable-next-line node/no-process-env -- it is looked at to see that nothing is there
  const names = Object.keys(process.env)
  // What a system adds by itself (macOS) begins with two underscores.
  return names.every((name) => name.startsWith('__')) ? open : [...open, 'see an environment']
}

function isRefused(attempt: () => void): boolean {
  try {
    attempt()
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_ACCESS_DENIED'
  }
}
