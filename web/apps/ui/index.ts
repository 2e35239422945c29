/**
 * The components of all pages. They bring no style of their own: the sheet ui.css is in the frame of every page.
 *
 * @packageDocumentation
 */

export { Button, ButtonLink, IconButton } from './button.js';
export { binned, Histogram, quantile, Sparkline } from './chart.js';
export { Checkbox, Segmented, Slider, Switch, Tabs } from './choice.js';
export { classes, type Tone } from './classes.js';
export { CodeBlock, CopyButton } from './code.js';
export { colorOf, hueOf, onColors } from './color.js';
export { ConnectionStatus, type ConnectionWords, transportNames, wordsOf } from './connection.js';
export { Badge, Card, type Column, EmptyState, LinkCard, Notice, Skeleton, Stat, Status, Table } from './content.js';
export { Dialog } from './dialog.js';
export { Field, Input, Select, Textarea } from './field.js';
export { Icon, type IconName, iconNames } from './icon.js';
export { LogList } from './loglist.js';
export { Menu, type MenuItem, Popover } from './menu.js';
export { mount } from './mount.js';
export { serverURL } from './root.js';
export { type ToastText, ToastProvider, useToast } from './toast.js';
export { Tooltip } from './tooltip.js';
