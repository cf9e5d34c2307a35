/** How the tests run: in child processes (isolated-vm dislikes threads), all files of the tree, no transforms to configure. */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  cacheDir: 'node_modules/.cache/vitest',
  test: {
    include: ['{core,plugins,integrations,test}/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'test/fixtures/**'],
    pool: 'forks',
    // isolated-vm cannot run in a process started from V8's snapshot.
    execArgv: ['--no-node-snapshot'],
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
    // Each file cleans up after itself; a test that only passes on the second try is a failing test. A shared CI machine
    // may stand still for seconds in the middle of a fault, so there, and only there, one more try is given and reported.
    retry: process.env['CI'] === undefined ? 0 : 1,
    allowOnly: false,
    reporters: ['default'],
  },
})
