import type { World } from '../../../support/swim-world-types.ts'
import type { Checker } from './watch.ts'

/** What a member knows of another's incarnation never goes back. */
export function incarnationMonotone(): Checker {
  return {
    name: 'incarnation-monotone',
    changed({ peer, before, after }, fail) {
      if (before !== undefined && after.incarnation < before.incarnation) fail(`${peer} fell from incarnation ${before.incarnation} to ${after.incarnation}`)
    }
  }
}

/** Only its own higher incarnation brings one back that was dead or left. */
export function noResurrection(): Checker {
  return {
    name: 'no-resurrection',
    changed({ peer, before, after }, fail) {
      const back = before !== undefined && (before.state === 'dead' || before.state === 'left') && (after.state === 'alive' || after.state === 'suspect')
      if (back && after.incarnation <= before.incarnation) fail(`${peer} was ${before.state}@${before.incarnation} and is ${after.state}@${after.incarnation}`)
    }
  }
}

/** No observer holds an incarnation that the subject has not issued. */
export function onlyTheSubject(world: () => World): Checker {
  return {
    name: 'only-the-subject',
    changed({ peer, after }, fail) {
      const said = world().registry.said(peer, after.incarnation)
      if (said.length === 0) fail(`${peer} is ${after.state}@${after.incarnation}, which it never said`)
    },
    stepped(_process, _event, _effects, fail) {
      const { misspoken } = world().registry
      if (misspoken.length > 0) fail(misspoken.join('; '))
    }
  }
}

/** An incarnation has one content, the same for all observers: that which its subject gave it. */
export function oneContent(world: () => World): Checker {
  return {
    name: 'one-content',
    changed({ peer, after }, fail) {
      if (after.state === 'left') return
      const said = world().registry.said(peer, after.incarnation)
      const same = said.some(
        ({ statement }) =>
          statement.kind === 'alive' && statement.name === after.name && statement.version === after.version && statement.boot === after.boot &&
          statement.addresses.length === after.addresses.length && statement.addresses.every((address, i) => address === after.addresses[i])
      )
      if (said.length > 0 && !same) fail(`${peer}@${after.incarnation} is ${after.name} boot ${after.boot} at ${after.addresses.join()}, which is not what it said`)
    }
  }
}
