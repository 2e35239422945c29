import type { ComponentProps, ReactElement, ReactNode } from 'react';
import { classes } from './classes.js';
import { Icon, type IconName } from './icon.js';

interface Look {
  /** `strong` is the one thing to do here, `beak` the one on a title's sky, `quiet` one of many, `danger` cannot be undone. */
  readonly look?: 'plain' | 'strong' | 'beak' | 'quiet' | 'danger';
  readonly size?: 'small' | 'normal' | 'large';
  readonly icon?: IconName;
}

const classOf = (look: Look['look'], size: Look['size'], more?: string): string => classes('button', look !== 'plain' && look, size !== 'normal' && size, more);

/** A button. While `busy` it turns, says so, and does nothing, but keeps its width and the focus. */
export function Button({ look = 'plain', size = 'normal', icon, busy = false, className, children, onClick, ...rest }: ComponentProps<'button'> & Look & { readonly busy?: boolean }): ReactElement {
  return (
    <button type="button" {...rest} className={classOf(look, size, className)} aria-disabled={busy || undefined} aria-busy={busy || undefined} onClick={busy ? (e) => e.preventDefault() : onClick}>
      {busy ? <span className="spinner" aria-hidden="true" /> : icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

/** A link that looks like a button. */
export function ButtonLink({ look = 'plain', size = 'normal', icon, className, children, ...rest }: ComponentProps<'a'> & Look): ReactElement {
  return <a {...rest} className={classOf(look, size, className)}>{icon && <Icon name={icon} />}{children}</a>;
}

/** A button of an icon alone. `label` says what it does, to ears and as its title. With `pressed` it is one that stays down. */
export function IconButton({ label, icon, look = 'quiet', size = 'normal', pressed, className, children, ...rest }: ComponentProps<'button'> & Look & { readonly label: string; readonly icon: IconName; readonly pressed?: boolean; readonly children?: ReactNode }): ReactElement {
  return (
    <button type="button" title={label} {...rest} className={classOf(look, size, classes('icon', className))} aria-label={label} aria-pressed={pressed}>
      <Icon name={icon} size={size === 'small' ? 14 : 16} />
    </button>
  );
}
