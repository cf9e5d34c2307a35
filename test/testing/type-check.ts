/** Type-checks folders of plugins the way their authors would, with the tsconfig they came with. */
import { execFile } from 'node:child_process'
import { readdir, writeFile } from 'node:fs/promises'
import { ROOT } from '../support/hub.ts'

/**
 * What the compiler says of each plugin's own files, one line a mistake, by the name of its folder in `root`. All of them are
 * one program under one's tsconfig (each has the same), since nearly all of the work are the hub's types. The hub's own files
 * are checked by `npm run check`.
 */
export async function typeCheck(root: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const entries = await readdir(root, { recursive: true })
  const folders = entries.flatMap((name) => /^([^/]+)\/tsconfig\.json$/.exec(name)?.[1] ?? []).sort()
  if (folders[0] === undefined) throw new Error(`No folder in ${root} has a tsconfig`)
  const all = { extends: `./${folders[0]}/tsconfig.json`, include: folders.map((name) => `${name}/*.ts`), exclude: [] }
  await writeFile(`${root}/types.json`, JSON.stringify(all))
  const mistakes = new Map<string, string[]>(folders.map((name) => [name, []]))
  for (const line of await compile(root)) {
    const [, folder = '', mistake = line] = /^([^/(]+)\/(.*)$/s.exec(line) ?? []
    const those = mistakes.get(folder)
    if (those !== undefined) those.push(mistake)
    else if (!/^[^(]*\bcore\//.test(line)) throw new Error(`tsc failed: ${line}`)
  }
  return mistakes
}

const compile = (root: string): Promise<readonly string[]> =>
  new Promise((resolve, reject) => {
    const args = [`${ROOT}node_modules/typescript/bin/tsc`, '--noEmit', '--pretty', 'false', '-p', 'types.json']
    execFile(`${ROOT}node_modules/.bin/node`, args, { cwd: root }, (error, stdout, stderr) => {
      const lines = stdout.split('\n').filter((line) => line.includes('error TS'))
      if (error !== null && lines.length === 0) reject(new Error(`tsc failed: ${stdout}${stderr}`))
      else resolve(lines)
    })
  })
