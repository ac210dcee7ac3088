/** Devices -> XML, in libvirt's order. */
import type { Domain } from '../domain/definition.ts';
import type { Input, Memballoon, Rng, Tpm, Watchdog } from '../domain/devices.ts';
import { addressTag } from './addresses.ts';
import { named } from './emit-aliases.ts';
import { channel, console, parallel, serial } from './emit-characters.ts';
import { controller } from './emit-controllers.ts';
import { disk } from './emit-disks.ts';
import { filesystem } from './emit-filesystems.ts';
import { graphics, video } from './emit-graphics.ts';
import { card } from './emit-interfaces.ts';
import { hostdev, pstore, vsock } from './emit-hostdevs.ts';
import { memoryModule } from './emit-memory.ts';
import { hub, redirdev, redirFilter, smartcard } from './emit-redirection.ts';
import { shmem } from './emit-shmem.ts';
import { audio, sound } from './emit-sound.ts';
import { crypto, iommu } from './emit-translation.ts';
import { onOff, tag, texted, type Tag } from './serialize.ts';
import { driverTag } from './virtio-driver.ts';

/** `<devices>`. */
export function devices(domain: Domain): Tag {
  const all = tag('devices', {}, [
    texted('emulator', domain.emulator),
    ...domain.disks.map(disk),
    ...domain.controllers.map(controller),
    ...domain.filesystems.map(filesystem),
    ...domain.interfaces.map(card),
    ...domain.smartcards.map(smartcard),
    ...domain.serials.map(serial),
    ...domain.parallels.map(parallel),
    ...domain.consoles.map(console),
    ...domain.channels.map(channel),
    ...domain.inputs.map(input),
    domain.tpm === null ? null : tpm(domain.tpm),
    ...domain.graphics.map(graphics),
    ...domain.sounds.map(sound),
    ...domain.audios.map(audio),
    ...domain.videos.map(video),
    ...domain.hostdevs.map(hostdev),
    ...domain.hubs.map(hub),
    ...domain.redirdevs.map(redirdev),
    domain.redirFilter === null ? null : redirFilter(domain.redirFilter),
    domain.watchdog === null ? null : watchdog(domain.watchdog),
    memballoon(domain.memballoon),
    ...domain.rngs.map(rng),
    domain.panic === null ? null : tag('panic', { model: domain.panic.model }),
    ...domain.shmems.map(shmem),
    ...domain.memoryModules.map(memoryModule),
    domain.iommu === null ? null : iommu(domain.iommu),
    domain.vsock === null ? null : vsock(domain.vsock),
    ...domain.cryptos.map(crypto),
    domain.pstore === null ? null : pstore(domain.pstore),
  ]);
  return named(all, domain.aliases);
}

function input({ type, bus, source, virtio, address }: Input): Tag {
  return tag('input', { type, bus }, [driverTag(virtio), inputSource(type, source), addressTag(address)]);
}

function inputSource(type: Input['type'], source: Input['source']): Tag | null {
  if (source === null) return null;
  const { path, grabAll, repeat, grabToggle } = source;
  if (type === 'passthrough') return tag('source', { evdev: path });
  return tag('source', { dev: path, grab: grabAll ? 'all' : null, grabToggle, repeat: onOff(repeat) });
}

function tpm(one: Tpm): Tag {
  return tag('tpm', { model: one.model }, [tpmBackend(one)]);
}

function tpmBackend(one: Tpm): Tag {
  const { backend: type } = one;
  switch (one.backend) {
    case 'emulator':
      return tag('backend', { type, version: one.version });
    case 'passthrough':
      return tag('backend', { type }, [tag('device', { path: one.path })]);
    case 'external':
      return tag('backend', { type }, [tag('source', { type: 'unix', mode: 'connect', path: one.socket })]);
  }
}

function watchdog({ model, action, address }: Watchdog): Tag {
  return tag('watchdog', { model, action }, [addressTag(address)]);
}

function memballoon({ model, autodeflate, freePageReporting, statsPeriodSeconds, virtio, address }: Memballoon): Tag {
  const attributes = { autodeflate: autodeflate ? onOff(true) : null, freePageReporting: onOff(freePageReporting) };
  return tag('memballoon', { model, ...attributes }, [
    statsPeriodSeconds === null ? null : tag('stats', { period: statsPeriodSeconds }),
    driverTag(virtio),
    addressTag(address),
  ]);
}

function rng({ model, virtio, backend, rate, address }: Rng): Tag {
  const content = backend.type === 'random' ? backend.path : [];
  return tag('rng', { model }, [
    rate === null ? null : tag('rate', { bytes: rate.bytes, period: rate.periodMs }),
    tag('backend', { model: backend.type }, content),
    driverTag(virtio),
    addressTag(address),
  ]);
}
