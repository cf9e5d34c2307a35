/** Writes the tables that are made from code into README.md: `node_modules/.bin/node test/architecture/write-docs.ts`. */
import { readFileSync, writeFileSync } from 'node:fs'
import { ROOT } from '../support/hub.ts'
import { TABLES, withTables } from './docs-tables.ts'

const file = `${ROOT}README.md`
const before = readFileSync(file, 'utf8')
const after = withTables(before)
writeFileSync(file, after)
process.stdout.write(
  after === before ? 'README.md was right already\n' : `README.md: wrote ${Object.keys(TABLES).join(', ')}\n`,
)
