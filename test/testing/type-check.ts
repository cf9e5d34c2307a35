/** Type-checks the folder of a plugin the way its author would, with the tsconfig it came with. */
import { execFile } from 'node:child_process'
import { ROOT } from '../support/hub.ts'

/** What the compiler says of the plugin's own files, one line a mistake. The hub's are checked by `npm run check`. */
export const typeCheck = (dir: string): Promise<readonly string[]> =>
  new Promise((resolve, reject) => {
    const args = [`${ROOT}node_modules/typescript/bin/tsc`, '--noEmit', '--pretty', 'false', '-p', dir]
    execFile(`${ROOT}node_modules/.bin/node`, args, { cwd: dir }, (error, stdout, stderr) => {
      const all = stdout.split('\n').filter((line) => line.includes('error TS'))
      const lines = all.filter((line) => !/^[^(]*\bcore\//.test(line))
      if (error !== null && all.length === 0) reject(new Error(`tsc failed: ${stdout}${stderr}`))
      else resolve(lines)
    })
  })
