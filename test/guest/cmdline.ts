/** Off or taken for granted: all that costs an emulated CPU time at boot and no test is about. Linux parameters. */
export const quickBoot = [
  'console=ttyS0 quiet mitigations=off nokaslr tsc=reliable no_timer_check lpj=4000000',
  'cryptomgr.notests audit=0 random.trust_cpu=on rcupdate.rcu_expedited=1',
].join(' ');
