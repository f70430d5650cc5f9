#!/usr/bin/env node
// Plain old JavaScript, so that a Node which is too old can read it and hand over to one that is not.
import childProcess from 'child_process'
import fs from 'fs'
import nodeModule from 'module'
import os from 'os'
import path from 'path'
import url from 'url'

const NEEDED = 24
// Tells the second process that it has a launcher above it; removed there at once.
const LAUNCHED = '_SKEIN_LAUNCHED'
// SIGINT from a terminal reaches both processes; `skein start` takes a second one right after the first as the same.
const FORWARDED = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2']

const here = path.dirname(url.fileURLToPath(import.meta.url))

/** The Node that came with the packages; found from here upwards, as require() would. */
function bundledNode() {
  const name = 'node-' + process.platform + '-' + process.arch
  try {
    return nodeModule.createRequire(import.meta.url).resolve(name + '/bin/node')
  } catch {
    return undefined
  }
}

function relaunch() {
  const binary = bundledNode()
  if (binary === undefined) {
    process.stderr.write(
      'skein: this is Node ' + process.version + ', but skein needs Node ' + NEEDED + ' or newer, and none came with the packages. ' +
        'Run `npm ci` without --omit=optional, or install Node ' + NEEDED + '.\n'
    )
    process.exit(1)
  }
  const environment = Object.assign({}, process.env)
  environment[LAUNCHED] = '1'
  const args = process.execArgv.concat([url.fileURLToPath(import.meta.url)], process.argv.slice(2))
  // The channel carries nothing: its end tells the second process that this one is gone, even by SIGKILL.
  const child = childProcess.spawn(binary, args, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], env: environment })
  FORWARDED.forEach(function (signal) {
    process.on(signal, function () {
      child.kill(signal)
    })
  })
  child.on('error', function (error) {
    process.stderr.write('skein: ' + binary + ' cannot be started: ' + error.message + '\n')
    process.exit(1)
  })
  child.on('exit', function (code, signal) {
    if (signal === null) process.exit(code)
    // Ends as the child did, so that a shell sees the same.
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

function watchLauncher() {
  delete process.env[LAUNCHED]
  if (process.channel === undefined || process.channel === null) return
  process.on('disconnect', function () {
    process.kill(process.pid, 'SIGTERM')
  })
  // Neither the channel nor the listener keeps a finished command alive.
  process.channel.unref()
}

function entry() {
  const source = path.join(here, '..', 'src', 'main.ts')
  // Node does not strip types under node_modules: an installed package runs what was built.
  const installed = here.split(path.sep).indexOf('node_modules') !== -1
  return !installed && fs.existsSync(source) ? source : path.join(here, '..', 'dist', 'main.js')
}

if (Number(process.versions.node.split('.')[0]) < NEEDED) {
  relaunch()
} else {
  if (process.env[LAUNCHED] !== undefined) watchLauncher()
  if (nodeModule.enableCompileCache !== undefined) nodeModule.enableCompileCache()
  import(url.pathToFileURL(entry()).href).catch(function (error) {
    process.stderr.write('skein: cannot start: ' + (error && error.stack ? error.stack : error) + os.EOL)
    process.exit(1)
  })
}
