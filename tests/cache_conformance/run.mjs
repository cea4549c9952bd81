// Runs the cache conformance suite (npm package http-cache-tests, fetched by fetch.sh) against a reverse proxy and says what it
// passed.
//
//   node run.mjs --suite DIR --base URL --origin-port N [options] [-- COMMAND ARGS...]
//
//   --suite DIR        the folder that fetch.sh filled
//   --base URL         where the proxy answers, without a slash at the end
//   --origin-port N    the port on 127.0.0.1 where the suite's origin listens and to which the proxy forwards
//   --id TEST          this test alone, with what client and origin saw
//   --json FILE        writes {required, optimal, check, failures} there
//   --floor R,O        ends with status 1 when fewer than R required or O optimal tests pass
//   --excused FILE     lines `test-id reason`: every failed test must stand there and every line must name a failed test
//   --chunk N          tests at a time (default 50)
//   COMMAND            starts the proxy, after the origin listens; ended when the tests are over
//
// A test counts as passed only when all tests that it depends on have passed, as on the suite's own page.
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

function parseArguments (argv) {
  const options = { chunk: '50' }
  let command = []
  for (let i = 0; i < argv.length; i += 2) {
    if (argv[i] === '--') {
      command = argv.slice(i + 1)
      break
    }
    if (!argv[i].startsWith('--') || argv[i + 1] === undefined) throw new Error(`unknown argument ${argv[i]}`)
    options[argv[i].slice(2)] = argv[i + 1]
  }
  for (const needed of ['suite', 'base', 'origin-port']) {
    if (options[needed] === undefined) throw new Error(`--${needed} is missing`)
  }
  return { options, command }
}

/// The suite's origin, on loopback only; its own program listens on every interface.
async function startOrigin (load, port) {
  const handlers = {
    config: (await load('server/handle-config.mjs')).default,
    test: (await load('server/handle-test.mjs')).default,
    state: (await load('server/handle-state.mjs')).default
  }
  const server = http.createServer((request, response) => {
    const segments = new URL(request.url, 'http://localhost/').pathname.split('/').slice(1)
    const handler = handlers[segments.shift()]
    if (handler === undefined) {
      response.writeHead(404)
      response.end()
    } else {
      handler(segments, request, response)
    }
  })
  await new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return server
}

/// Until the proxy passes something through to the origin, at most a minute.
async function waitForProxy (base) {
  for (let attempt = 0; attempt < 600; ++attempt) {
    const status = await new Promise(resolve => {
      const request = http.get(`${base}/state/none`, response => {
        response.resume()
        resolve(response.statusCode)
      })
      request.on('error', () => resolve(0))
    })
    if (status === 404) return
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  throw new Error(`nothing at ${base} passes requests to the origin`)
}

function score (suites, results) {
  const byId = new Map()
  for (const suite of suites) for (const test of suite.tests) byId.set(test.id, { ...test, suite: suite.id })
  const passed = id => {
    const test = byId.get(id)
    return test !== undefined && results[id] === true && (test.depends_on ?? []).every(passed)
  }
  const summary = { required: [0, 0], optimal: [0, 0], check: [0, 0], failures: [] }
  for (const [id, test] of byId) {
    if (results[id] === undefined) continue
    const kind = test.kind ?? 'required'
    summary[kind][1]++
    if (passed(id)) {
      summary[kind][0]++
    } else if (kind !== 'check') {
      const blocking = (test.depends_on ?? []).filter(other => !passed(other))
      const why = results[id] === true || blocking.length > 0
        ? `depends on ${blocking.join(', ')}`
        : `${results[id][0]}: ${results[id][1]}`
      summary.failures.push({ id, kind, suite: test.suite, why })
    }
  }
  return summary
}

/// Lines of the file that are wrong: failures without an excuse, excuses without a failure.
function compareExcuses (file, failures) {
  const excused = new Map()
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const gap = line.indexOf(' ')
    if (gap < 0) throw new Error(`${file}: an excuse without a reason: ${line}`)
    excused.set(line.slice(0, gap), line.slice(gap + 1))
  }
  const failed = new Set(failures.map(failure => failure.id))
  const wrong = failures.filter(({ id }) => !excused.has(id)).map(({ id }) => `${id} failed and is not excused`)
  for (const id of excused.keys()) if (!failed.has(id)) wrong.push(`${id} is excused and passed`)
  return wrong
}

function report (summary, options) {
  for (const { id, kind, suite, why } of summary.failures) console.log(`not passed  ${kind}  ${suite}  ${id}  ${why}`)
  for (const kind of ['required', 'optimal', 'check']) console.log(`${kind} ${summary[kind][0]}/${summary[kind][1]}`)
  if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(summary, null, 2) + '\n')
  const wrong = options.excused === undefined ? [] : compareExcuses(options.excused, summary.failures)
  if (options.floor !== undefined) {
    const [required, optimal] = options.floor.split(',').map(Number)
    if (!(summary.required[0] >= required)) wrong.push(`required: ${summary.required[0]} is under the floor of ${required}`)
    if (!(summary.optimal[0] >= optimal)) wrong.push(`optimal: ${summary.optimal[0]} is under the floor of ${optimal}`)
  }
  for (const line of wrong) console.error(line)
  return wrong.length === 0 ? 0 : 1
}

async function main () {
  const { options, command } = parseArguments(process.argv.slice(2))
  const folder = resolve(options.suite, 'package')
  const load = path => import(pathToFileURL(join(folder, path)).href)
  const fetch = createRequire(join(folder, 'cli.mjs'))('node-fetch')
  const all = (await load('tests/index.mjs')).default
  let suites = all
  if (options.id !== undefined) {
    suites = all.map(suite => ({ ...suite, tests: suite.tests.filter(test => test.id === options.id) }))
    for (const suite of suites) for (const test of suite.tests) test.dump = true
  }

  const origin = await startOrigin(load, Number(options['origin-port']))
  const proxy = command.length > 0 ? spawn(command[0], command.slice(1), { stdio: ['ignore', 'ignore', 'inherit'] }) : null
  let status = 1
  try {
    await waitForProxy(options.base)
    const { runTests, getResults } = await load('client/runner.mjs')
    await runTests(suites, fetch, false, options.base, Number(options.chunk))
    status = report(score(suites, getResults()), options)
  } finally {
    if (proxy !== null) proxy.kill('SIGTERM')
    origin.close()
    origin.closeAllConnections?.()
  }
  return status
}

main().then(status => process.exit(status), error => {
  console.error(`run.mjs: ${error.message}`)
  process.exit(2)
})
